package middleware

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Concurrency lets at most limit calls run at a time; see [Gate].
func Concurrency(limit int) mcp.Middleware {
	return (&Gate{Max: limit}).Middleware()
}

// A Gate bounds the calls that run at the same time. A call beyond it is
// refused at once with Exhausted: a queue would only answer later what its
// caller has given up. It counts lists, and methods that run user code: those
// that [Deadline] bounds. Pings, initialize, notifications and
// subscriptions/listen pass freely.
//
// Set the fields before calling Middleware. Several servers may share a Gate.
type Gate struct {
	// Max is how many calls may run. Zero or negative means no limit.
	Max int
	// RetryAfter is what a refused caller is told to wait.
	// Zero means 1 second; negative tells nothing.
	RetryAfter time.Duration

	inFlight atomic.Int64
}

// InFlight returns how many counted calls run now; safe for concurrent use.
func (g *Gate) InFlight() int64 { return g.inFlight.Load() }

// Middleware returns the layer. A slot is free again when the layer below
// returns or panics, or, inside of [Log], when [Deadline] abandons the call.
func (g *Gate) Middleware() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if kindOf(method) != list && !runsUserCode(method) {
				return next(ctx, method, req)
			}
			if !g.enter() {
				return nil, exhausted("too many calls in flight", g.RetryAfter)
			}
			rec := recordFrom(ctx)
			if rec == nil || !rec.gate.CompareAndSwap(nil, g) {
				defer g.inFlight.Add(-1)
				return next(ctx, method, req)
			}
			defer leaveGate(ctx)
			return next(ctx, method, req)
		}
	}
}

// enter takes a slot. Adding first and taking back would refuse a call that
// fits while another that does not is on its way out.
func (g *Gate) enter() bool {
	if g.Max <= 0 {
		g.inFlight.Add(1)
		return true
	}
	for {
		n := g.inFlight.Load()
		if n >= int64(g.Max) {
			return false
		}
		if g.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leaveGate frees the slot that the call of ctx holds, if it holds one. A call
// that is abandoned at its deadline leaves before its handler does.
func leaveGate(ctx context.Context) {
	if rec := recordFrom(ctx); rec != nil {
		if g := rec.gate.Swap(nil); g != nil {
			g.inFlight.Add(-1)
		}
	}
}

// exhausted refuses a call; retryAfter is as in the documents of its callers.
func exhausted(message string, retryAfter time.Duration) error {
	if retryAfter == 0 {
		retryAfter = time.Second
	}
	return &mcperrors.Error{Code: mcperrors.Exhausted, Message: message, RetryAfter: max(retryAfter, 0)}
}
