module github.com/trestle-mcp/trestle/bench

go 1.26.0

replace github.com/trestle-mcp/trestle => ../
