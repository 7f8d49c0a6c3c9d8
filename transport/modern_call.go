package transport

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/internal/lazyctx"
	"github.com/trestle-mcp/trestle/internal/watchdog"
)

// A modernCall is a call that is served on its request's goroutine, and the
// answer to it: one JSON message, or a stream of events once there is more to
// say than the result. What else holds its context may write until it has
// finished. It is all that there is to allocate for a call.
type modernCall struct {
	exchange

	era    *modernEra
	id     json.RawMessage
	method string
	asked  http.Header // of the request
	extra  mcp.RequestExtra
	values modernContext   // of the request, and the call
	ctx    lazyctx.Context // values, until the end
	stream bool            // the client would rather have a stream

	mu       sync.Mutex
	out      output
	begun    bool // as a stream
	finished bool
	early    bool // it is answered before its handler returned
}

type modernCallKey struct{}

// modernContext is the context of a request with its call.
type modernContext struct {
	context.Context
	call *modernCall
}

// Value implements [context.Context].
func (c *modernContext) Value(key any) any {
	switch key {
	case modernCallKey{}, watchdog.Key{}:
		return c.call
	}
	return c.Context.Value(key)
}

// newCall makes the call that msg asks for, and that is answered on w.
func (m *modernEra) newCall(w http.ResponseWriter, r *http.Request, msg *message) *modernCall {
	c := &modernCall{era: m, id: msg.id, method: msg.method, asked: r.Header, stream: prefersStream(r.Header)}
	c.exchange = exchange{owner: c, calls: 1}
	c.extra = mcp.RequestExtra{TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: r.Header, CloseSSEStream: noClose}
	c.values = modernContext{r.Context(), c}
	c.ctx.Begin(&c.values, time.Time{})
	c.out.open(w, m.writes)
	return c
}

// notify sends a notification that was made during the call.
func (c *modernCall) notify(req *jsonrpc.Request) error {
	data := append([]byte(`{"jsonrpc":"2.0","method":`), appendText(nil, req.Method)...)
	if len(req.Params) > 0 {
		data = append(append(data, `,"params":`...), req.Params...)
	}
	data = append(data, '}')
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return errNoStream
	}
	return c.event(data)
}

// event sends one event. It wants c.mu, as all below do.
func (c *modernCall) event(data []byte) error {
	if !c.begun {
		c.begun = true
		header := c.out.w.Header()
		header["Content-Type"] = headerStream
		header["X-Accel-Buffering"] = headerNo
		setAnswerHeader(header)
		c.out.w.WriteHeader(http.StatusOK)
	}
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = appendEvent(*buf, "message", "", 0, data)
	if c.out.write(*buf) != nil {
		return &jsonrpc.Error{Code: codeRejected, Message: "the client has gone"}
	}
	return nil
}

// finish answers the call, unless that was done. It returns the error that it
// answered with.
func (c *modernCall) finish(res mcp.Result, err error) error {
	buf := getBuffer()
	defer putBuffer(buf)
	var tail []byte
	if err == nil {
		*buf, tail, err = c.encode(*buf, res)
	}
	if err != nil {
		c.refuse(refusalFor(err))
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.finished:
		return nil
	case c.begun, c.stream && !c.early: // a stream would end only with the handler
		_ = c.event(append(*buf, tail...)) // the client may be gone
	default:
		c.out.writeJSON(http.StatusOK, *buf, tail)
	}
	c.finished = true
	return nil
}

// Answer implements [watchdog.Caller]: it answers while the handler still runs.
// The connection is no good for another request then, since nobody reads it
// before the handler returns.
func (c *modernCall) Answer(res mcp.Result, err error) bool {
	c.mu.Lock()
	if c.finished {
		c.mu.Unlock()
		return false
	}
	if !c.begun {
		c.out.w.Header().Set("Connection", "close")
		c.early = true
	}
	c.mu.Unlock()
	_ = c.finish(res, err) // an error is what it was given
	return true
}

// refuse answers the call with an error, unless it was answered.
func (c *modernCall) refuse(ref *refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.finished:
		return
	case c.begun:
		_ = c.event(encodeError(c.id, ref.err)) // the client may be gone
	default:
		c.era.challenge(c.out.w.Header(), c.asked, ref.status, ref.err)
		writeRefusal(c.out.w, ref.withID(c.id))
		_ = c.out.write(nil) // the client may be gone
	}
	c.finished = true
}

// encode appends the answer but for its tail, and survives types that do not encode.
func (c *modernCall) encode(dst []byte, res mcp.Result) (_, tail []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return c.era.lists.appendResult(dst, c.id, c.method, res, c.era.identity().info)
}

// abort implements [aborter], for a drain that has no more time. The handler may
// still run; nobody hears what it says.
func (c *modernCall) abort(cause error) {
	c.ctx.End(context.Canceled, cause)
	go func() { // ends within cutTime
		c.out.hurry(cutTime)
		c.refuse(unavailable(era.FirstModern))
	}()
}

// leave is called when the request returns: nothing may be written then. It
// reports whether the call was answered.
func (c *modernCall) leave() (answered bool) {
	c.ctx.End(context.Canceled, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	answered, c.finished = c.finished, true
	c.out.release()
	return answered
}

// refusalFor is the answer to a call that failed.
func refusalFor(err error) *refusal {
	wire := wireError(err)
	e := mcperrors.From(wire)
	return &refusal{status: statusOf(wire, e.Code), err: wire, after: e.RetryAfter}
}

// statusOf returns the HTTP status for an error of a modern call. Errors that
// say what they are go by the table; others by what the specification has.
func statusOf(wire *jsonrpc.Error, code mcperrors.Code) int {
	var data struct {
		Type mcperrors.Code `json:"type"`
	}
	if json.Unmarshal(wire.Data, &data) == nil && data.Type == code && wire.Code == code.JSONRPC("", era.FirstModern) {
		return code.HTTPStatus(era.FirstModern)
	}
	switch wire.Code {
	case jsonrpc.CodeMethodNotFound:
		return http.StatusNotFound
	case jsonrpc.CodeParseError, jsonrpc.CodeInvalidRequest, jsonrpc.CodeInvalidParams, mcp.CodeHeaderMismatch,
		mcp.CodeUnsupportedProtocolVersion, mcp.CodeMissingRequiredClientCapabilities:
		return http.StatusBadRequest
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return int(wire.Code)
	}
	return http.StatusOK
}

// prefersStream reports whether a client lists event streams before JSON.
func prefersStream(h http.Header) bool {
	accept := h["Accept"]
	if len(accept) == 0 || (len(accept) == 1 && strings.HasPrefix(accept[0], typeJSON)) {
		return false
	}
	all := strings.ToLower(strings.Join(accept, ","))
	stream, plain := strings.Index(all, typeStream), strings.Index(all, typeJSON)
	return stream >= 0 && (plain < 0 || stream < plain)
}
