// Package transport carries MCP between a client and an *mcp.Server, over
// streamable HTTP and over stdio: strict with what it reads, bounded in what it
// keeps, and able to drain.
//
// [NewHTTPHandler] makes an http.Handler that serves both eras of the protocol
// on one URL. [Stdio] is an mcp.Transport for a server that a client starts as
// its child. Both read a message once, refuse what two parsers could read in
// two ways before any handler sees it, and answer every refusal with a JSON-RPC
// error that holds the request's id where it could be read.
//
// What belongs to net/http stays there: set ReadHeaderTimeout, ReadTimeout and
// MaxHeaderBytes on the http.Server. Leave WriteTimeout at zero, it would cut
// event streams.
package transport
