// Server is the Trestle server that the benchmarks measure. It serves the tools
// add and echo at /mcp, to clients of both protocol eras, without sign-in.
//
//	go run ./bench/server [-addr host:port] [-stack bare|production] [-era legacy|modern|both] [-tools 200]
//
// Stack bare is a go-sdk server behind Trestle's transport, with typed tools by
// package schema and recovery from panics. Stack production is what server.New
// gives, with limits out of reach and a log that is encoded and thrown away.
package main

import (
	"github.com/trestle-mcp/trestle/bench/internal/child"
	"github.com/trestle-mcp/trestle/bench/internal/contender/trestle"
)

func main() { child.Main(trestle.Flags) }
