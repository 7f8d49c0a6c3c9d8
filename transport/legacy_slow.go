package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// ask has go-sdk's own loop serve c, for methods that need what only go-sdk
// knows, and returns the answer. Both results are set if the answer is an error.
func (h *HTTPHandler) ask(s *session, c *call) (data []byte, err error) {
	h.dispatcher.handler() // the escort has to be there before the request
	answers := make(chan *jsonrpc.Response, 1)
	id := s.expect(answers)
	defer s.unexpect(id)
	h.passing.Store(&c.extra, c)
	defer h.passing.Delete(&c.extra)
	err = &mcperrors.Error{Code: mcperrors.Canceled, Message: "the session ended"}
	msg := &jsonrpc.Request{ID: id, Method: c.method, Params: c.params, Extra: &c.extra}
	if !s.push(msg) {
		return encodeError(c.id, err), err
	}
	select {
	case res := <-answers:
		// go-sdk's queue keeps the message, and with it the body and the header.
		msg.Params, msg.Extra = nil, nil
		if res.Error == nil {
			return appendRaw(nil, c.id, res.Result), nil
		}
		err = res.Error
		if wire, ok := errors.AsType[*jsonrpc.Error](err); ok && wire.Code == jsonrpc.CodeMethodNotFound && !known(c.method) {
			err = errNoMethod // go-sdk repeats what was asked for
		}
	case <-s.done:
	}
	return encodeError(c.id, err), err
}

// errNoMethod is the error for methods that are neither go-sdk's nor the
// server's own.
var errNoMethod = methodNotFound().err

// known reports whether go-sdk's loop has the method.
func known(method string) bool {
	switch method {
	case "initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		return true
	}
	return false
}

func appendRaw(dst []byte, id, result json.RawMessage) []byte {
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	return append(append(append(dst, `,"result":`...), result...), '}')
}

// expect makes an id of which the answer goes to ch. The client's own ids would
// not do: they are free again before go-sdk has forgotten them.
func (s *session) expect(ch chan<- *jsonrpc.Response) jsonrpc.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id, _ := jsonrpc.MakeID("trestle-" + strconv.FormatInt(s.serial, 10))
	if s.slow == nil {
		s.slow = map[jsonrpc.ID]chan<- *jsonrpc.Response{}
	}
	s.slow[id] = ch
	return id
}

func (s *session) unexpect(id jsonrpc.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.slow, id)
}

// answered hands over an answer. The channel has room for one.
func (s *session) answered(res *jsonrpc.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.slow[res.ID]; ch != nil {
		delete(s.slow, res.ID)
		ch <- res
	}
}

// A joinedContext is the context of a call in go-sdk's loop, with the values of
// its own request first: those of go-sdk's context belong to no request.
type joinedContext struct {
	context.Context
	values context.Context
}

// Value implements [context.Context].
func (j *joinedContext) Value(key any) any {
	if v := j.values.Value(key); v != nil {
		return v
	}
	return j.Context.Value(key)
}

// escort is the middleware that gives calls which pass through go-sdk's loop
// their context, and survives their panics.
func (h *HTTPHandler) escort(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (res mcp.Result, err error) {
		v, ok := h.passing.Load(req.GetExtra())
		if !ok {
			return next(ctx, method, req)
		}
		c := v.(*call) //nolint:errcheck,forcetypeassert // nothing else is stored
		defer func() {
			if v := recover(); v != nil {
				res, err = nil, mcperrors.Wrap(mcperrors.Internal, "", fmt.Errorf("panic: %v", v)).Wire(method, "")
			}
		}()
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		stop := context.AfterFunc(&c.ctx, func() { cancel(context.Cause(&c.ctx)) })
		defer stop()
		return next(&joinedContext{Context: ctx, values: &c.values}, method, req)
	}
}
