package transport

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// codeRejected is the code by which go-sdk knows an error of Write that does
// not mean that the connection is broken.
const codeRejected = -32005

var errNoStream error = &jsonrpc.Error{Code: codeRejected, Message: "there is no stream for this message"}

var errClosed = errors.New("transport: closed")

// A loopConn is what the connections have in common whose other end is this
// transport itself: what go-sdk's loop reads is put into in.
type loopConn struct {
	in    chan jsonrpc.Message
	done  chan struct{}
	close func()
}

func newLoopConn() loopConn {
	done := make(chan struct{})
	return loopConn{in: make(chan jsonrpc.Message), done: done, close: sync.OnceFunc(func() { close(done) })}
}

// Read implements [mcp.Connection].
func (c *loopConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case m := <-c.in:
		return m, nil
	case <-c.done:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// put gives m to go-sdk's loop. It fails if the connection is closed.
func (c *loopConn) put(m jsonrpc.Message) bool {
	select {
	case c.in <- m:
		return true
	case <-c.done:
		return false
	}
}

// answer keeps the session alive where the server has a keep-alive. Nothing
// else can be asked: 2026-07-28 has no requests to the client.
func (c *loopConn) answer(req *jsonrpc.Request) error {
	if req.Method != "ping" {
		return errNoStream
	}
	go c.put(&jsonrpc.Response{ID: req.ID, Result: json.RawMessage("{}")}) // ends with the connection at the latest: Read takes it
	return nil
}

// Close implements [mcp.Connection].
func (c *loopConn) Close() error {
	c.close()
	return nil
}

func (c *loopConn) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// SessionID implements [mcp.Connection].
func (*loopConn) SessionID() string { return "" }
