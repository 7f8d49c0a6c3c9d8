module github.com/trestle-mcp/trestle/examples

go 1.26.0

require github.com/trestle-mcp/trestle v0.0.0

replace github.com/trestle-mcp/trestle => ../
