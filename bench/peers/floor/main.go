// Floor is the process of one contender of the benchmarks: a handler on net/http and encoding/json alone.
//
//	go run ./bench/peers/floor [-addr host:port] [-tools 200]
package main

import (
	"github.com/trestle-mcp/trestle/bench/internal/child"
	"github.com/trestle-mcp/trestle/bench/internal/contender/floor"
)

func main() { child.Main(floor.Flags) }
