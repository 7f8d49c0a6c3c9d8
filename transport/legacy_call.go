package transport

import (
	"context"
	"encoding/json"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/watchdog"
)

// A call is one request of a legacy client, from its POST to its answer.
type call struct {
	reply  *reply
	id     json.RawMessage // as the client has it
	key    string          // idKey(id)
	method string
	params json.RawMessage
	extra  *mcp.RequestExtra
	direct mcp.Request     // nil if go-sdk's loop serves the method
	faulty error           // what is wrong with params
	values context.Context // of the request, which may be over, and c
	ctx    context.Context // values, canceled by cancel
	cancel context.CancelCauseFunc
	taken  atomic.Bool // somebody answers it
	done   bool        // answered, under reply.mu
}

type callKey struct{}

// A callContext names the call that a message belongs to.
type callContext struct {
	context.Context
	call *call
}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	switch key {
	case callKey{}, watchdog.Key{}:
		return c.call
	}
	return c.Context.Value(key)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// newCall makes the call that m asks for. Its context has the values of the
// request and outlives it: a legacy client may leave and come back.
func (h *HTTPHandler) newCall(request context.Context, s *session, m *message, extra *mcp.RequestExtra) *call {
	c := &call{id: m.id, key: idKey(m.id), method: m.method, params: m.params}
	own := *extra
	c.extra = &own
	own.CloseSSEStream = func(args mcp.CloseSSEStreamArgs) { c.reply.poll(args.RetryAfter) }
	var ref *refusal
	if c.direct, ref = h.dispatcher.request(s.sdk, m.method, m.params, c.extra); ref != nil {
		c.faulty = ref.err // an answer like others, in legacy: it may be one of a batch
	}
	c.values = &callContext{Context: context.WithoutCancel(request), call: c}
	c.ctx, c.cancel = context.WithCancelCause(c.values)
	return c
}

// run serves c and answers it.
func (h *HTTPHandler) run(c *call) {
	defer c.cancel(nil)
	switch {
	case c.faulty != nil:
		c.reply.answer(c, encodeError(c.id, c.faulty), c.faulty)
		return
	case c.direct == nil:
		data, err := h.ask(c.reply.s, c)
		c.reply.answer(c, data, err)
		return
	}
	data, err := c.encode(h.dispatcher.serve(c.ctx, c.method, c.direct))
	if kept := c.reply.s.kept; kept != nil && err == nil {
		kept.served(c)
	}
	c.reply.answer(c, data, err)
}

// encode returns the answer, and survives types that do not encode.
func (c *call) encode(res mcp.Result, failure error) (data []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
			data = encodeError(c.id, err)
		}
	}()
	if failure == nil {
		if data, failure = c.reply.h.lists.appendResult(nil, c.id, c.method, res, nil); failure == nil {
			return data, nil
		}
		failure = mcperrors.Wrap(mcperrors.Internal, "", failure)
	}
	return encodeError(c.id, failure), failure
}

// Answer implements [watchdog.Caller]: it answers while the handler still runs.
func (c *call) Answer(res mcp.Result, err error) bool {
	data, err := c.encode(res, err)
	c.reply.closing()
	if !c.reply.answer(c, data, err) {
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
