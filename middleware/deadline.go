package middleware

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/timerqueue"
	"github.com/trestle-mcp/trestle/internal/watchdog"
)

// defaultMaxAbandoned keeps what abandoned handlers hold within some MiB
// of stacks; a server that has more of them is broken or under attack.
const defaultMaxAbandoned = 256

// Timeout gives each call that runs user code the time limit; see [Deadline].
// A limit of zero or less is none.
func Timeout(limit time.Duration) mcp.Middleware {
	return (&Deadline{Limit: limit}).Middleware()
}

// A Deadline bounds how long a call may take: tools/call, prompts/get,
// resources/read, completion/complete, and methods of the server's own. All
// others are left alone.
//
// At the deadline the call's context ends and the caller is answered Timeout,
// even if the handler ignores its context. Such a handler is abandoned: it runs
// on, its result is dropped, a panic of it goes to the call's log, and it is
// counted until it returns. Over HTTP, Trestle's transport lets a timer give that
// answer; on other transports each bounded call runs on a goroutine of its own.
// A caller that leaves ends the context too, but the handler may then use the
// time it has left.
//
// Set the fields before calling Middleware. Several servers may share a Deadline.
type Deadline struct {
	// Limit is the time of a call. Zero or negative means no limit.
	Limit time.Duration
	// For chooses the time of one call. Zero means Limit; negative means no
	// limit. May be nil.
	For func(method string, req mcp.Request) time.Duration
	// MaxAbandoned is how many abandoned handlers there may be before new
	// calls are refused with Exhausted, until one returns: else a caller could
	// pile them up. Calls that were running by then may still add to them.
	// Zero means 256; negative means no limit.
	MaxAbandoned int
	// RetryAfter is what a refused caller is told to wait.
	// Zero means 1 second; negative tells nothing.
	RetryAfter time.Duration

	abandoned atomic.Int64
	waits     atomic.Pointer[timerqueue.Queue] // of Limit
}

// Abandoned returns how many handlers still run after their call was answered
// at the deadline; safe for concurrent use.
func (d *Deadline) Abandoned() int64 { return d.abandoned.Load() }

// Middleware returns the layer.
func (d *Deadline) Middleware() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			limit := d.limit(method, req)
			if limit <= 0 {
				return next(ctx, method, req)
			}
			if d.full() {
				return nil, exhausted("too many calls have overrun their time", d.RetryAfter)
			}
			if caller := watchdog.From(ctx); caller != nil {
				return d.watch(ctx, limit, caller, next, method, req)
			}
			return d.run(ctx, limit, next, method, req)
		}
	}
}

func (d *Deadline) limit(method string, req mcp.Request) time.Duration {
	if !runsUserCode(method) {
		return 0
	}
	if d.For != nil {
		if limit := d.For(method, req); limit != 0 {
			return limit
		}
	}
	return d.Limit
}

func (d *Deadline) full() bool {
	most := int64(d.MaxAbandoned)
	if most == 0 {
		most = defaultMaxAbandoned
	}
	return most > 0 && d.abandoned.Load() >= most
}
