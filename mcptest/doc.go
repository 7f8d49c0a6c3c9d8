// Package mcptest tests MCP servers with a real client: in memory, over HTTP
// or over stdio, in either era of the protocol, closed with the test.
//
//	c := mcptest.New(t, srv)
//	var out AddOut
//	c.Call("add", AddIn{A: 1, B: 2}).OK().Decode(&out)
//	c.Call("add", map[string]any{"a": "one"}).Fails(mcperrors.Validation)
//
// A failure shows what went over the wire.
//
// # What there is
//
//   - [Client.Call], [Client.Read], [Client.Prompt] and the completions, with
//     [Outcome.Progress] and [Outcome.Exchange]; [Client.Await] for notifications.
//   - [NewUser] answers what a server asks in the middle of a call.
//   - [Matrix] runs one test over every transport in both eras.
//   - [Client.GoldenCatalog] and [Client.GoldenExchange] compare with files, and
//     tell which change of a schema breaks clients; [Lint] judges a catalog.
//   - [Conform] holds a server to the rules that every MCP server keeps, and
//     [Load] measures it.
//   - [Faults] disturb, always in the same way; [NewDouble] stands for a server
//     that the code under test calls.
//   - When a client's test ends, nothing of it is left: see [LeaksAllowed] and
//     [NoneLeft].
//
// In memory it works inside a [testing/synctest] bubble.
package mcptest
