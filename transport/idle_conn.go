package transport

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// An idleConn is the connection of a session that only lends its name to calls
// that are served directly. What such a call sends goes to the call's stream.
type idleConn struct {
	loopConn
	changed func(method string)    // told of list changes; may be nil
	answers chan *jsonrpc.Response // to what was put into in
}

func newIdleConn(changed func(string)) *idleConn {
	return &idleConn{loopConn: newLoopConn(), changed: changed, answers: make(chan *jsonrpc.Response, 1)}
}

// Connect implements [mcp.Transport].
func (c *idleConn) Connect(context.Context) (mcp.Connection, error) { return c, nil }

// Write implements [mcp.Connection].
func (c *idleConn) Write(ctx context.Context, m jsonrpc.Message) error {
	if res, ok := m.(*jsonrpc.Response); ok {
		select {
		case c.answers <- res:
		default: // nobody waits
		}
		return nil
	}
	req, ok := m.(*jsonrpc.Request)
	call, served := ctx.Value(modernCallKey{}).(*modernCall)
	switch {
	case !ok:
		return errNoStream
	case served && !req.IsCall():
		return call.notify(req)
	case served:
		return errNoStream // 2026-07-28 has no requests to the client
	case req.IsCall():
		return c.answer(req)
	case c.changed != nil:
		c.changed(req.Method)
		return nil
	}
	return errNoStream
}

// ask has the session serve a request from outside.
func (c *idleConn) ask(req *jsonrpc.Request) (*jsonrpc.Response, error) {
	if !c.put(req) {
		return nil, errClosed
	}
	select {
	case res := <-c.answers:
		return res, nil
	case <-c.done:
		return nil, errClosed
	}
}

var (
	_ mcp.Transport  = (*idleConn)(nil)
	_ mcp.Connection = (*idleConn)(nil)
)
