package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A stdioConn is the one session of a Stdio.
type stdioConn struct {
	maxDepth int
	timeout  time.Duration
	log      *slog.Logger
	in       io.Reader
	out      io.Writer
	keepOut  bool   // out is the process's own
	restore  func() // undoes what connecting changed in the process
	lines    *lineReader
	flight   *flight
	fence    *fence

	incoming  chan jsonrpc.Message
	ended     chan struct{} // closed when Read has to report the end
	closed    chan struct{} // closed by Close
	endOnce   sync.Once
	closeOnce sync.Once
	writing   sync.Mutex
}

func (c *stdioConn) init() {
	c.incoming = make(chan jsonrpc.Message)
	c.ended = make(chan struct{})
	c.closed = make(chan struct{})
}

// SessionID implements [mcp.Connection]: over stdio there is one session.
func (c *stdioConn) SessionID() string { return "" }

// Read implements [mcp.Connection]. go-sdk cancels running calls when Read
// fails, so the end of the input is reported only after they are answered.
func (c *stdioConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case m := <-c.incoming:
		return m, nil
	case <-c.ended:
		return nil, io.EOF
	case <-c.closed:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// deliver gives m to Read, unless the session ends.
func (c *stdioConn) deliver(m jsonrpc.Message) {
	select {
	case c.incoming <- m:
	case <-c.ended:
	case <-c.closed:
	}
}

// Write implements [mcp.Connection]: each message is one line, written at once.
// It blocks while the peer does not read.
func (c *stdioConn) Write(ctx context.Context, m jsonrpc.Message) error {
	switch m := m.(type) {
	case *jsonrpc.Response:
		return c.writeResponse(m)
	case *jsonrpc.Request:
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := jsonrpc.EncodeMessage(m)
		if err != nil {
			return rejected("the message cannot be encoded")
		}
		if m.IsCall() && !c.flight.ask(m.ID) {
			return rejected("the client can no longer answer")
		}
		return c.writeLine(data)
	}
	return nil
}

func (c *stdioConn) writeResponse(m *jsonrpc.Response) error {
	if c.fence.reached(m.ID) {
		return nil
	}
	data, err := jsonrpc.EncodeMessage(m)
	if err != nil {
		// The call must be answered, or its caller waits for ever.
		c.log.Error("answer cannot be encoded")
		internal := &mcperrors.Error{Code: mcperrors.Internal}
		if data, err = jsonrpc.EncodeMessage(&jsonrpc.Response{ID: m.ID, Error: internal.Wire("", "")}); err != nil {
			return err
		}
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	// The caller may use the id and the room again as soon as it has the answer.
	// Not before the lock: answers that wait for a slow reader take room.
	if c.flight.release(m.ID) {
		defer c.flight.done()
	}
	return c.writeLocked(data)
}

// rejected is an error that makes a write fail but not the connection: go-sdk
// keeps the code -32005 for that.
func rejected(text string) error { return &jsonrpc.Error{Code: -32005, Message: text} }

func (c *stdioConn) writeLine(data []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.writeLocked(data)
}

func (c *stdioConn) writeLocked(data []byte) error {
	_, err := c.out.Write(append(data, '\n'))
	if err == nil {
		return nil
	}
	c.log.Info("output ended", slog.Any("error", err))
	if isGone(err) {
		return fmt.Errorf("transport: the client is gone: %w", io.EOF) // a clean end for go-sdk
	}
	return err
}

func isGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, os.ErrClosed) || errors.Is(err, io.EOF)
}

// Close implements [mcp.Connection].
func (c *stdioConn) Close() error {
	var err error
	c.closeOnce.Do(func() {
		close(c.closed)
		c.restore()
		if in, ok := c.in.(io.Closer); ok {
			err = in.Close()
		}
		if out, ok := c.out.(io.Closer); ok && !c.keepOut {
			err = errors.Join(err, out.Close())
		}
	})
	if isGone(err) {
		return nil
	}
	return err
}

// end lets Read report the end of the input.
func (c *stdioConn) end() { c.endOnce.Do(func() { close(c.ended) }) }

// drain refuses new calls, waits for the running ones or for ctx, ends the
// session and returns how many calls were cut.
func (c *stdioConn) drain(ctx context.Context) (cut int) {
	idle := c.flight.drain()
	c.cancelListens()
	defer c.end()
	select {
	case <-idle:
	case <-c.ended:
	case <-c.closed:
	case <-ctx.Done():
	}
	return c.flight.count()
}

// cancelListens ends subscriptions as the client would: nothing else does.
func (c *stdioConn) cancelListens() {
	for _, id := range c.flight.listening() {
		params := fmt.Appendf(nil, `{"requestId":%s}`, id)
		c.deliver(&jsonrpc.Request{Method: "notifications/cancelled", Params: json.RawMessage(params)})
	}
}
