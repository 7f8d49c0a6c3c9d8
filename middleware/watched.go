package middleware

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/lazyctx"
	"github.com/trestle-mcp/trestle/internal/timerqueue"
	"github.com/trestle-mcp/trestle/internal/watchdog"
)

// overrunGrace is how long past its deadline a handler may run before the log
// tells: most return as soon as their context ends.
const overrunGrace = time.Second

// The states of a watched call.
const (
	callRunning   = iota
	callReturned  // before its deadline, which has no say any more
	callAbandoned // answered by the timer, and still running
	callOver      // abandoned, and then returned
)

// A watched call stays on its goroutine. At the deadline it is answered by a
// timer, and whoever is first, the handler by returning or the timer, has the
// say.
type watched struct {
	ctx    lazyctx.Context
	d      *Deadline
	caller watchdog.Caller
	method string
	req    mcp.Request

	wait  timerqueue.Entry // for a deadline that many calls have
	timer *time.Timer      // for another one

	state atomic.Int32
}

// watchedOf returns room for the watched call of ctx.
func watchedOf(ctx context.Context) *watched {
	if rec := recordFrom(ctx); rec != nil && rec.watches.CompareAndSwap(false, true) {
		return &rec.watched
	}
	return new(watched)
}

func (d *Deadline) watch(ctx context.Context, limit time.Duration, caller watchdog.Caller,
	next mcp.MethodHandler, method string, req mcp.Request,
) (mcp.Result, error) {
	w := watchedOf(ctx)
	w.d, w.caller, w.method, w.req = d, caller, method, req
	start := time.Now()
	w.ctx.Begin(ctx, start.Add(limit))
	if limit == d.Limit {
		d.queue().AddSince(&w.wait, w, start)
	} else {
		w.timer = time.AfterFunc(limit, w.Overdue)
	}
	defer w.leave()
	res, err := next(&w.ctx, method, req)
	if !w.state.CompareAndSwap(callRunning, callReturned) {
		// Nobody hears this any more; it is for the layers that report.
		return nil, mcperrors.Wrap(mcperrors.Timeout, "", context.DeadlineExceeded)
	}
	//nolint:errorlint // Err returns the bare value
	if errors.Is(err, context.DeadlineExceeded) || (errors.Is(err, context.Canceled) && w.ctx.Err() == context.DeadlineExceeded) {
		return res, mcperrors.Wrap(mcperrors.Timeout, "", err)
	}
	return res, err
}

// queue returns the queue of calls that have the deadline's own limit.
func (d *Deadline) queue() *timerqueue.Queue {
	if q := d.waits.Load(); q != nil {
		return q
	}
	d.waits.CompareAndSwap(nil, timerqueue.New(d.Limit))
	return d.waits.Load()
}

// leave is called when the handler returned or panicked.
func (w *watched) leave() {
	if w.timer == nil {
		w.wait.Remove()
	} else {
		w.timer.Stop()
	}
	w.ctx.End(context.Canceled, nil)
	if w.state.CompareAndSwap(callRunning, callReturned) { // it panicked
		return
	}
	if w.state.CompareAndSwap(callAbandoned, callOver) {
		w.d.abandoned.Add(-1)
	}
}

// Overdue implements [timerqueue.Overdue]: it is called at the deadline.
func (w *watched) Overdue() {
	w.ctx.End(context.DeadlineExceeded, nil)
	w.d.abandoned.Add(1) // first, because leave takes it back
	if !w.state.CompareAndSwap(callRunning, callAbandoned) {
		w.d.abandoned.Add(-1)
		return
	}
	call := w.ctx.Parent()
	leaveGate(call) // first: the caller may call again as soon as it is answered
	w.caller.Answer(answer(call, w.method, w.req, mcperrors.Wrap(mcperrors.Timeout, "", context.DeadlineExceeded)))
	time.AfterFunc(overrunGrace, w.tell)
}

func (w *watched) tell() {
	if w.state.Load() == callAbandoned {
		LoggerFrom(w.ctx.Parent()).Warn("a handler runs on past its deadline; its call was answered without it",
			zap.Int64("abandoned", w.d.Abandoned()))
	}
}
