package transport

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A passage is one request's way through go-sdk's own loop, in a session made
// for it: for methods of which go-sdk alone knows the types, or that need the
// request id which it keeps in its context.
//
// What the method handler returns is taken where it returns, in the layer of
// the dispatcher, before go-sdk encodes it: so errors keep what they are, and a
// type that panics when it encodes hurts nobody.
type passage struct {
	loopConn
	dispatcher *dispatcher
	session    *mcp.ServerSession
	ctx        context.Context // canceled when the request is to end
	told       func(context.Context, *jsonrpc.Request) error
	request    *jsonrpc.Request
	outcome    chan outcome // has room for the first, which counts
}

// An outcome is what became of a request.
type outcome struct {
	res mcp.Result
	err error
}

type passageKey struct{}

// passageContext is the context of a passage's session, from which its request
// has the values.
type passageContext struct {
	context.Context
	passage *passage
}

// Value implements [context.Context].
func (c *passageContext) Value(key any) any {
	if key == (passageKey{}) {
		return c.passage
	}
	return c.Context.Value(key)
}

// pass opens a passage for m. told gets the notifications that are sent in its
// session, and must not block where the server broadcasts. Close it in the end.
func (d *dispatcher) pass(ctx context.Context, m *message, extra *mcp.RequestExtra, told func(context.Context, *jsonrpc.Request) error) (*passage, error) {
	p := &passage{
		loopConn: newLoopConn(), dispatcher: d, ctx: ctx, told: told, outcome: make(chan outcome, 1),
		request: &jsonrpc.Request{ID: sdkID(m.id), Method: m.method, Params: m.params, Extra: extra},
	}
	d.handler() // has to be there before the request
	var err error
	if p.session, err = d.server.Connect(&passageContext{ctx, p}, p, nil); err != nil {
		return nil, err
	}
	p.put(p.request) // where it is closed already, outcome says so
	return p, nil
}

// run serves the request, in the place of next and middleware and all.
func (p *passage) run(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.ctx, func() { cancel(context.Cause(p.ctx)) })
	defer stop()
	res, err := p.dispatcher.serve(ctx, method, req)
	p.settle(outcome{res, err})
	return nil, errAnswered
}

// errAnswered is what go-sdk gets for an answer that it has not to write.
var errAnswered error = &jsonrpc.Error{Code: codeRejected, Message: "answered"}

// settle says what became of the request, unless that is known.
func (p *passage) settle(o outcome) {
	select {
	case p.outcome <- o:
	default:
	}
}

// forget drops what was sent, which go-sdk would keep until the answer. The
// request must have been decoded.
func (p *passage) forget() { p.request.Params, p.request.Extra = nil, nil }

// end ends the session, and waits for its handler.
func (p *passage) end() {
	p.close()
	_ = p.session.Close() // the connection is ours and has nothing to lose
}

// Connect implements [mcp.Transport].
func (p *passage) Connect(context.Context) (mcp.Connection, error) { return p, nil }

// Write implements [mcp.Connection].
func (p *passage) Write(ctx context.Context, m jsonrpc.Message) error {
	switch m := m.(type) {
	case *jsonrpc.Response:
		if m.Error != errAnswered { //nolint:errorlint // one value; the outcome may have been taken
			p.settle(outcome{err: fromLoop(m.Error)})
		}
		return nil
	case *jsonrpc.Request:
		if m.IsCall() {
			return p.answer(m)
		}
		return p.told(ctx, m)
	}
	return errNoStream
}

// fromLoop is the answer where go-sdk's loop refuses a request by itself.
func fromLoop(err error) error {
	if wire, ok := errors.AsType[*jsonrpc.Error](err); ok && wire.Code == jsonrpc.CodeMethodNotFound {
		return errNoMethod // go-sdk repeats what was asked for
	}
	return err
}

// Close implements [mcp.Connection].
func (p *passage) Close() error {
	p.close()
	p.settle(outcome{err: &mcperrors.Error{Code: mcperrors.Unavailable, Message: "the session ended"}})
	return nil
}

var (
	_ mcp.Transport  = (*passage)(nil)
	_ mcp.Connection = (*passage)(nil)
)
