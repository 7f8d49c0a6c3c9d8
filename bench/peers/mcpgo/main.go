// Mcpgo is the process of one contender of the benchmarks: a bare mcp-go server.
//
//	go run ./bench/peers/mcpgo [-addr host:port] [-tools 200]
package main

import (
	"github.com/trestle-mcp/trestle/bench/internal/child"
	"github.com/trestle-mcp/trestle/bench/internal/contender/mcpgo"
)

func main() { child.Main(mcpgo.Flags) }
