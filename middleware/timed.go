package middleware

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A timed context ends at a deadline, like that of context.WithDeadline, but is
// armed only when a handler asks for Done: most never do.
type timed struct {
	context.Context // of the call
	deadline        time.Time

	inner atomic.Pointer[armed]

	mu  sync.Mutex
	err error // once it ended, or was seen to have ended
}

// armed is what there is once somebody waits for the end.
type armed struct {
	context.Context
	cancel context.CancelCauseFunc
}

// begin sets t up, which is new.
func (t *timed) begin(ctx context.Context, deadline time.Time) {
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	t.Context, t.deadline = ctx, deadline
}

// Deadline implements [context.Context].
func (t *timed) Deadline() (time.Time, bool) { return t.deadline, true }

// Done implements [context.Context].
func (t *timed) Done() <-chan struct{} {
	if a := t.inner.Load(); a != nil {
		return a.Done()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.inner.Load(); a != nil {
		return a.Done()
	}
	ctx, cancel := context.WithCancelCause(t.Context)
	if t.err != nil {
		cancel(t.err)
	}
	t.inner.Store(&armed{ctx, cancel})
	return ctx.Done()
}

// Err implements [context.Context].
func (t *timed) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = t.Context.Err()
	}
	return t.err
}

// Value implements [context.Context]. What derives from t finds the armed
// context, and joins it without a goroutine.
func (t *timed) Value(key any) any {
	if a := t.inner.Load(); a != nil {
		return a.Value(key)
	}
	return t.Context.Value(key)
}

// end ends t with err, unless it ended before.
func (t *timed) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		if t.err = t.Context.Err(); t.err == nil {
			t.err = err
		}
	}
	if a := t.inner.Load(); a != nil {
		a.cancel(t.err)
	}
}

// expired reports whether it was the deadline that ended t.
func (t *timed) expired() bool { return t.Err() == context.DeadlineExceeded } //nolint:errorlint // Err returns the bare value
