package transport

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// codeRejected is the code by which go-sdk knows an error of Write that does
// not mean that the connection is broken.
const codeRejected = -32005

var errNoStream error = &jsonrpc.Error{Code: codeRejected, Message: "there is no stream for this message"}

// An idleConn is the connection of a session that only lends its name to calls
// that are served directly. What such a call sends goes to the call's stream.
type idleConn struct {
	in      chan jsonrpc.Message
	done    chan struct{}
	close   func()
	changed func(method string)    // told of list changes; may be nil
	answers chan *jsonrpc.Response // to what was put into in
}

func newIdleConn(changed func(string)) *idleConn {
	c := &idleConn{
		in: make(chan jsonrpc.Message), done: make(chan struct{}),
		changed: changed, answers: make(chan *jsonrpc.Response, 1),
	}
	c.close = sync.OnceFunc(func() { close(c.done) })
	return c
}

// Connect implements [mcp.Transport].
func (c *idleConn) Connect(context.Context) (mcp.Connection, error) { return c, nil }

// Read implements [mcp.Connection].
func (c *idleConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case m := <-c.in:
		return m, nil
	case <-c.done:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

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
		return c.answer(ctx, req)
	case c.changed != nil:
		c.changed(req.Method)
		return nil
	}
	return errNoStream
}

// answer keeps the session alive where the server has a keep-alive.
func (c *idleConn) answer(ctx context.Context, req *jsonrpc.Request) error {
	if req.Method != "ping" {
		return errNoStream
	}
	go func() { // ends with the connection at the latest: Read takes it
		select {
		case c.in <- &jsonrpc.Response{ID: req.ID, Result: json.RawMessage("{}")}:
		case <-c.done:
		case <-ctx.Done():
		}
	}()
	return nil
}

// ask has the session serve a request from outside.
func (c *idleConn) ask(req *jsonrpc.Request) (*jsonrpc.Response, error) {
	select {
	case c.in <- req:
	case <-c.done:
		return nil, errClosed
	}
	select {
	case res := <-c.answers:
		return res, nil
	case <-c.done:
		return nil, errClosed
	}
}

// Close implements [mcp.Connection].
func (c *idleConn) Close() error {
	c.close()
	return nil
}

func (c *idleConn) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// SessionID implements [mcp.Connection].
func (*idleConn) SessionID() string { return "" }

var errClosed = errors.New("transport: closed")

var (
	_ mcp.Transport  = (*idleConn)(nil)
	_ mcp.Connection = (*idleConn)(nil)
)
