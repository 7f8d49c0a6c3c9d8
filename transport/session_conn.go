package transport

import (
	"context"
	"errors"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// emptyContext is the parent of what go-sdk runs for a session.
var emptyContext = context.Background()

func notSent(text string) error { return &jsonrpc.Error{Code: codeRejected, Message: text} }

var (
	errNoReader  = notSent("the client does not listen")
	errCallEnded = errors.New("transport: the call is answered")
)

// sessionTransport connects one session.
type sessionTransport struct{ s *session }

// Connect implements [mcp.Transport].
func (t sessionTransport) Connect(context.Context) (mcp.Connection, error) {
	return sessionConn(t), nil
}

// SupportsProtocolVersion tells go-sdk that this transport is legacy.
func (sessionTransport) SupportsProtocolVersion(version string) bool { return isLegacy(version) }

// sessionConn is go-sdk's end of a session.
type sessionConn struct{ s *session }

// SessionID implements [mcp.Connection].
func (c sessionConn) SessionID() string { return c.s.id }

// Read implements [mcp.Connection].
func (c sessionConn) Read(context.Context) (jsonrpc.Message, error) {
	select {
	case msg := <-c.s.in:
		return msg, nil
	case <-c.s.done:
		return nil, io.EOF
	}
}

// Close implements [mcp.Connection].
func (c sessionConn) Close() error {
	c.s.end(SessionClosed)
	return nil
}

// Write implements [mcp.Connection]. A message that belongs to a running call
// goes to the answer of that call, any other to the standalone stream.
func (c sessionConn) Write(ctx context.Context, msg jsonrpc.Message) error {
	s := c.s
	if res, ok := msg.(*jsonrpc.Response); ok {
		s.answered(res)
		return nil
	}
	req, ok := msg.(*jsonrpc.Request)
	if !ok {
		return notSent("unknown kind of message")
	}
	if req.IsCall() {
		if ref := s.cannotAsk(ctx, req.Method); ref != nil {
			return ref
		}
	}
	data, err := jsonrpc.EncodeMessage(s.outgoing(req))
	if err != nil {
		return notSent("the message cannot be encoded")
	}
	// A handler may use another session with its own context.
	if running := callFrom(ctx); running != nil && running.reply.s == s {
		if err := running.say(ctx, data); !errors.Is(err, errCallEnded) {
			return err
		}
	}
	if req.Method == "ping" && s.listen.deaf() {
		// go-sdk's keep-alive can learn nothing about a client that does not
		// listen. Whether it is still there is for the idle limit to say.
		s.push(&jsonrpc.Response{ID: req.ID, Result: []byte("{}")})
		return nil
	}
	if s.kind != ownedSession && isBroadcast(req.Method) {
		return nil // go-sdk tells every session of it
	}
	return s.listen.send(ctx, data)
}

// cannotAsk refuses a request that the client has not said it can answer, and
// which would wait for ever. go-sdk looks after elicitation itself.
func (s *session) cannotAsk(ctx context.Context, method string) error {
	if s.kind != ownedSession {
		return cannotAskStateless(ctx, method)
	}
	if method != "sampling/createMessage" && method != "roots/list" {
		return nil
	}
	p := s.sdk.InitializeParams()
	if p == nil || p.Capabilities == nil || (method[0] == 's' && p.Capabilities.Sampling == nil) ||
		(method[0] == 'r' && p.Capabilities.RootsV2 == nil) {
		return notSent("the client does not support " + method)
	}
	return nil
}

// push gives msg to go-sdk. It fails if s ends.
func (s *session) push(msg jsonrpc.Message) bool {
	select {
	case s.in <- msg:
		return true
	case <-s.done:
		return false
	}
}
