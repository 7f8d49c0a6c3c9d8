// Gosdk is the process of one contender of the benchmarks: a bare go-sdk server.
//
//	go run ./bench/peers/gosdk [-addr host:port] [-tools 200]
package main

import (
	"github.com/trestle-mcp/trestle/bench/internal/child"
	"github.com/trestle-mcp/trestle/bench/internal/contender/gosdk"
)

func main() { child.Main(gosdk.Flags) }
