package transport

import (
	"context"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A dispatcher calls the method handler of an SDK server, middleware and all,
// without going through one of the SDK's transports.
//
// It takes the handler when it serves for the first time: add middleware
// before. What is added later is not seen by calls that are served directly.
type dispatcher struct {
	server  *mcp.Server
	rules   metaRules
	capture sync.Once
	next    mcp.MethodHandler
	probing atomic.Pointer[mcp.ServerSession] // see probe; nil if none is
	// escort stands around what comes through the SDK's own loop. May be nil.
	escort mcp.Middleware
}

func newDispatcher(s *mcp.Server) *dispatcher { return &dispatcher{server: s} }

// handler returns the server's outermost handler, as a middleware is given it.
// Direct calls go past the layer that this adds.
func (d *dispatcher) handler() mcp.MethodHandler {
	d.capture.Do(func() {
		d.server.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
			d.next = next
			looped := next
			if d.escort != nil {
				looped = d.escort(next)
			}
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				if s, ok := req.GetSession().(*mcp.ServerSession); ok && s != nil {
					if s == d.probing.Load() {
						return &mcp.DiscoverResult{}, nil // the SDK adds what we want to know
					}
					// A handler may use another session with its own context.
					if p, ok := ctx.Value(passageKey{}).(*passage); ok && p.session == s {
						return p.run(ctx, method, req)
					}
				}
				return looped(ctx, method, req)
			}
		})
	})
	return d.next
}

// serve runs one request. A panic below is an error with code Internal.
func (d *dispatcher) serve(ctx context.Context, method string, req mcp.Request) (res mcp.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			res, err = nil, panicked(v)
		}
	}()
	res, err = d.handler()(ctx, method, req)
	if err == nil && isNilResult(res) && !strings.HasPrefix(method, "notifications/") {
		err = mcperrors.Wrap(mcperrors.Internal, "", errNoResult)
	}
	return res, err
}

// A panicError is the cause of an internal error. What the panic said may hold
// anything, so it is in no text.
type panicError struct {
	value any
	stack string
}

// Error implements error.
func (*panicError) Error() string { return "transport: panic in a handler" }

func panicked(v any) error {
	return mcperrors.Wrap(mcperrors.Internal, "", &panicError{v, string(debug.Stack())})
}

// stackOf returns where the panic behind err was, or "". It calls no method of
// err: somebody else's could panic.
func stackOf(err error) string {
	if e, ok := err.(*mcperrors.Error); ok && e != nil { //nolint:errorlint // as panicked made it
		if p, ok := e.Cause.(*panicError); ok { //nolint:errorlint // likewise
			return p.stack
		}
	}
	return ""
}
