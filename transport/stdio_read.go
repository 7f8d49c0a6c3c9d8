package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// receive reads lines until the input ends, then waits for the running calls.
func (c *stdioConn) receive() {
	for {
		line, err := c.lines.next()
		switch {
		case errors.Is(err, errLineTooLong):
			c.reply(parseError(fmt.Sprintf("the line is longer than %d bytes", c.lines.limit)))
		case err != nil:
			c.inputEnded(err)
			return
		case len(line) > 0:
			if ref := c.take(line); ref != nil {
				c.reply(ref)
			}
		}
		select {
		case <-c.closed:
			return
		default:
		}
	}
}

// reply answers a line that is refused.
func (c *stdioConn) reply(ref *refusal) {
	c.log.LogAttrs(context.Background(), levelRefused, "line refused", refusedAttrs(ref)...)
	if !ref.stray {
		_ = c.writeLine(ref.encode()) // a broken output ends the session elsewhere
	}
}

// take hands the message in line to go-sdk, or says why not.
func (c *stdioConn) take(line []byte) *refusal {
	if ref := checkJSON(line, c.maxDepth); ref != nil {
		return ref
	}
	if line[strictjson.SkipSpace(line, 0)] == '[' {
		return invalidRequest("batches are not supported over stdio")
	}
	m, ref := parseMessage(line)
	if ref != nil {
		return ref
	}
	if m.isResponse() {
		c.takeResponse(m)
		return nil
	}
	if _, ref := names(m.params); ref != nil {
		if m.id == nil {
			ref.stray = true // nobody waits for an answer to a notification
		}
		return ref.withID(m.id)
	}
	if !m.isCall() {
		c.takeNotification(m)
		return nil
	}
	if ref := c.flight.begin(m); ref != nil {
		return ref
	}
	c.deliver(&jsonrpc.Request{ID: sdkID(m.id), Method: m.method, Params: m.params})
	return nil
}

func (c *stdioConn) takeResponse(m *message) {
	response := &jsonrpc.Response{ID: sdkID(m.id), Result: m.result}
	if e, ok := m.wireError(); ok {
		response.Error = e
	}
	c.flight.told(response.ID)
	c.deliver(response)
}

// takeNotification waits while too many notifications wait: go-sdk handles one
// after the other, from a queue without an end.
func (c *stdioConn) takeNotification(m *message) {
	c.deliver(&jsonrpc.Request{Method: m.method, Params: m.params})
	wait, id := c.fence.passed()
	if id.IsValid() {
		c.deliver(&jsonrpc.Request{ID: id, Method: fenceMethod})
	}
	if wait != nil {
		select {
		case <-wait:
		case <-c.ended:
		case <-c.closed:
		}
	}
}

// inputEnded waits until the calls that were read are answered. What they wait
// for from the client will not come, so it fails.
func (c *stdioConn) inputEnded(err error) {
	if !errors.Is(err, io.EOF) && !isGone(err) {
		c.log.Warn("input failed", slog.Any("error", err))
	}
	for _, id := range c.flight.deafen() {
		c.deliver(&jsonrpc.Response{ID: id, Error: rejected("the client can no longer answer")})
	}
	ctx := context.Background()
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	if cut := c.drain(ctx); cut > 0 {
		c.log.Warn("calls were cut after the input ended", slog.Int("calls", cut))
	}
}
