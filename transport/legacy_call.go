package transport

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/lazyctx"
	"github.com/trestle-mcp/trestle/internal/watchdog"
)

// A call is one request of a legacy client, from its POST to its answer.
type call struct {
	reply  *reply
	id     json.RawMessage // as the client has it
	method string
	params json.RawMessage
	extra  mcp.RequestExtra
	direct mcp.Request     // nil if go-sdk's loop serves the method
	faulty error           // what is wrong with params
	values callContext     // of the request, which may be over, and the call
	ctx    lazyctx.Context // values, until the end
	taken  atomic.Bool     // somebody answers it
	done   bool            // answered, under reply.mu
}

type callKey struct{}

// A callContext names the call that a message belongs to. It has the values of
// the request and outlives it: a legacy client may leave and come back.
type callContext struct {
	lazyctx.Detached
	call *call
}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	switch key {
	case callKey{}, watchdog.Key{}:
		return c.call
	}
	return c.Detached.Value(key)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// begin sets c up, which is new, as the call that m asks for.
func (c *call) begin(request context.Context, m *message, extra mcp.RequestExtra) {
	c.id, c.method, c.params, c.extra = m.id, m.method, m.params, extra
	c.values = callContext{lazyctx.Detached{Values: request}, c}
	c.ctx.Begin(&c.values, time.Time{})
}

// end cancels the context of c.
func (c *call) end(cause error) { c.ctx.End(context.Canceled, cause) }

// decode finds out how to serve c.
func (h *HTTPHandler) decode(s *session, c *call) {
	c.extra.CloseSSEStream = func(args mcp.CloseSSEStreamArgs) { c.reply.poll(args.RetryAfter) }
	var ref *refusal
	if c.direct, ref = h.dispatcher.request(s.sdk, c.method, c.params, &c.extra); ref != nil {
		c.faulty = ref.err // an answer like others, in legacy: it may be one of a batch
	}
	if h.stateless && isSubscription(c.method) {
		c.faulty = errNoUpdates
	}
}

// run serves c and answers it.
func (h *HTTPHandler) run(c *call) {
	defer c.end(nil)
	switch {
	case c.faulty != nil:
		c.reply.answer(c, encodeError(c.id, c.faulty), nil, c.faulty)
		return
	case c.direct == nil:
		data, err := h.ask(c.reply.s, c)
		c.reply.answer(c, data, nil, err)
		return
	}
	res, err := h.dispatcher.serve(&c.ctx, c.method, c.direct)
	if kept := c.reply.s.kept; kept != nil && err == nil {
		kept.served(c)
	}
	c.respond(res, err)
}

// respond answers c. It reports false if that was done before.
func (c *call) respond(res mcp.Result, err error) bool {
	buf := getBuffer()
	defer putBuffer(buf)
	var tail []byte
	*buf, tail, err = c.reply.h.encode(*buf, c, res, err)
	return c.reply.answer(c, *buf, tail, err)
}

// encode appends the answer to c but for its tail, and survives types that do not
// encode.
func (h *HTTPHandler) encode(dst []byte, c *call, res mcp.Result, failure error) (data, tail []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
			data, tail = appendError(dst, c.id, err), nil
		}
	}()
	if failure == nil {
		if data, tail, failure = h.lists.appendResult(dst, c.id, c.method, res, nil); failure == nil {
			return data, tail, nil
		}
		failure = mcperrors.Wrap(mcperrors.Internal, "", failure)
	}
	return appendError(dst, c.id, failure), nil, failure
}

// Answer implements [watchdog.Caller]: it answers while the handler still runs.
func (c *call) Answer(res mcp.Result, err error) bool {
	c.reply.closing()
	if !c.respond(res, err) {
		return false
	}
	c.reply.endEarly()
	return true
}

// say sends a message that belongs to c on the stream of its answer.
func (c *call) say(ctx context.Context, data []byte) error {
	r := c.reply
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.done || r.done {
		return errCallEnded
	}
	r.startLocked(ctx)
	return r.sendLocked(ctx, "message", data)
}
