package middleware

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// errExited is a handler that ended its goroutine instead of returning.
var errExited = errors.New("the handler called runtime.Goexit")

// A bounded call is one handler on its own goroutine. Whoever settles it
// first, the handler by returning or the caller by giving up, decides whether
// its end is an answer or belongs to nobody.
type bounded struct {
	settled atomic.Bool
	done    chan struct{} // closed when the three below are set for the caller

	res   mcp.Result
	err   error
	crash *PanicError
}

func (d *Deadline) run(ctx context.Context, limit time.Duration, next mcp.MethodHandler, method string, req mcp.Request) (mcp.Result, error) {
	deadline := time.Now().Add(limit)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	b := &bounded{done: make(chan struct{})}
	// The goroutine ends when the handler does; Abandoned counts those that
	// outlive their call.
	go func() {
		defer cancel()
		b.call(ctx, d, next, method, req)
	}()
	if !b.wait(ctx, deadline) {
		d.abandoned.Add(1)
		if b.settled.CompareAndSwap(false, true) {
			return nil, mcperrors.Wrap(mcperrors.Timeout, "", context.DeadlineExceeded)
		}
		d.abandoned.Add(-1)
		<-b.done // it ended at the same moment
	}
	if b.crash != nil {
		panic(b.crash)
	}
	if errors.Is(b.err, context.DeadlineExceeded) {
		return b.res, mcperrors.From(b.err)
	}
	return b.res, b.err
}

// wait reports whether the handler ended before the deadline.
func (b *bounded) wait(ctx context.Context, deadline time.Time) bool {
	select {
	case <-b.done:
		return true
	case <-ctx.Done():
	}
	left := time.Until(deadline)
	if left <= 0 || !errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-b.done:
		return true
	case <-timer.C:
		return false
	}
}

func (b *bounded) call(ctx context.Context, d *Deadline, next mcp.MethodHandler, method string, req mcp.Request) {
	err := errExited
	var res mcp.Result
	defer func() {
		var p *PanicError
		if v := recover(); v != nil {
			p = asPanic(v)
		}
		if b.settled.CompareAndSwap(false, true) {
			b.res, b.err, b.crash = res, err, p
			close(b.done)
			return
		}
		d.abandoned.Add(-1)
		if p != nil {
			LoggerFrom(ctx).Error("a handler panicked after its call was answered at the deadline",
				zap.String("cause", causeText(p)), zap.String("stack", string(p.Stack)))
		}
	}()
	res, err = next(ctx, method, req)
}
