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
// Calls of 2026-07-28 go straight to the server's method handler, on the
// goroutine of their request. Their answer is JSON, or an event stream where the
// handler reports progress or logs before it is done, or the client lists
// streams first. A coded error of a handler or a middleware decides the status:
// 401, 403, 429 and 503 are sent as such, with Retry-After where it is known.
// What arrives late, after the answer, is refused to the sender.
//
// Such calls share a few idle sessions of the server, which its Sessions method
// shows too. What a session knows of its client is empty there: ask the
// request. A tool that nobody listed yet is listed once in the name of its
// first caller, to learn which headers repeat its arguments; middleware sees
// that list. What a client says about itself in _meta, its clientInfo and
// clientCapabilities, is decoded once for many calls: do not change it.
//
// A subscription (subscriptions/listen) is refused like any call until go-sdk has
// acknowledged it; only then its response becomes an event stream. It ends with
// its token, with a drain, and where the client does not read what is sent: a
// slow reader is cut and holds up nobody. A subscription that the server ends
// in good order gets its result; one that is cut does not, and the client asks
// again. One request may name 1024 resources.
//
// Legacy clients have sessions, which belong to the principal that opened them,
// expire and are bounded in number. Their calls, too, run on the goroutine of
// their request; what a call sends goes to its own response, all else to the
// client's GET stream. An answer that takes long becomes a stream that can be
// resumed.
//
// Behind a load balancer without stickiness a session is lost with the next
// request. [Options.Stateless] does without sessions, at the price of all that
// the server would send by itself; [Options.SessionStore] lets sessions move, at
// the price of a store, and of questions to the client, which still need to
// reach the replica that asked. Calls of 2026-07-28 need neither.
//
// What belongs to net/http stays there: set ReadHeaderTimeout and MaxHeaderBytes
// on the http.Server. A body has 30 seconds in any case. Leave ReadTimeout and
// WriteTimeout at zero: they would cut event streams.
package transport
