// Package mcptest tests MCP servers with a real client: in memory, over HTTP
// or over stdio, in either era of the protocol, closed with the test.
//
//	c := mcptest.New(t, srv)
//	var out AddOut
//	c.Call("add", AddIn{A: 1, B: 2}).OK().Decode(&out)
//	c.Call("add", map[string]any{"a": "one"}).Fails(mcperrors.Validation)
//
// [Matrix] runs one test over every transport in both eras.
package mcptest
