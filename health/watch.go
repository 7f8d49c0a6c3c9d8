package health

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/trestle-mcp/trestle/internal/redact"
)

// A watch is a check and what is known of it. The monitor's lock guards all but
// what never changes.
type watch struct {
	Check
	m    *Monitor
	stop context.CancelFunc
	done chan struct{} // closed when its goroutine has ended

	begun  time.Time // when the running check began; zero: none runs
	hung   bool      // the running check is overdue
	known  bool      // there was a result
	passed bool      // there was a good one
	down   bool
	warned bool // the last result was a warning
	fails  int  // bad results in a row
	passes int  // good ones
	output string
	at     time.Time // of the last result
	took   time.Duration
	since  time.Time // when status changed
	status Status
}

// run checks until ctx ends. A check that hangs holds this goroutine, and so
// there is never another.
func (w *watch) run(ctx context.Context) {
	defer close(w.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		w.once(ctx)
		timer.Reset(w.pause())
	}
}

func (w *watch) once(ctx context.Context) {
	began := time.Now()
	w.m.change(w, func() { w.begun = began })
	overdue := time.AfterFunc(2*w.Timeout, func() {
		w.m.change(w, func() { w.overdue(began) })
	})
	within, cancel := context.WithTimeout(ctx, w.Timeout)
	err := guarded(within, w.Checker)
	late := within.Err() != nil && errors.Is(err, context.DeadlineExceeded)
	cancel()
	overdue.Stop()
	if ctx.Err() != nil {
		return // not its fault
	}
	took := time.Since(began)
	if late {
		err = fmt.Errorf("no answer within %v", w.Timeout)
	}
	w.m.change(w, func() { w.result(err, took) })
}

// guarded lets no panic of a check out.
func guarded(ctx context.Context, c Checker) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the check panicked: %v", p)
		}
	}()
	return c.Check(ctx)
}

// overdue is called when the check that began then should have returned long ago.
func (w *watch) overdue(began time.Time) {
	if w.begun != began {
		return // it did
	}
	w.hung, w.known, w.down = true, true, true
	w.passes = 0
	w.output = fmt.Sprintf("hung: no answer since %s", began.UTC().Format(time.RFC3339))
}

func (w *watch) result(err error, took time.Duration) {
	first, fresh := !w.known, !w.passed
	w.begun, w.hung, w.known = time.Time{}, false, true
	w.at, w.took, w.output = time.Now(), took, ""
	if err != nil {
		w.output = redact.String(err.Error())
	}
	w.warned = isWarning(err)
	if err != nil && !w.warned {
		w.passes = 0
		w.fails++
		w.down = w.down || first || w.fails >= w.FailAfter
		return
	}
	w.fails = 0
	w.passes++
	w.passed = true
	if fresh || w.passes >= w.PassAfter {
		w.down = false
	}
}

// verdict is the status that the state comes to.
func (w *watch) verdict() Status {
	switch {
	case !w.known || w.down:
		if w.Optional {
			return Degraded
		}
		return Unhealthy
	case w.fails > 0 || w.warned:
		return Degraded
	}
	return Healthy
}

// pause is how long to wait for the next check: less before the first success
// and while a change is to be confirmed, and never quite the same, so that replicas do not ask all at once.
func (w *watch) pause() time.Duration {
	w.m.mu.Lock()
	unsure := !w.passed || (w.fails > 0 && !w.down) || (w.passes > 0 && w.down)
	w.m.mu.Unlock()
	d := w.Interval
	if unsure {
		d /= 4
	}
	return d - rand.N(d/10+1) //nolint:gosec // spreads load, keeps no secret
}
