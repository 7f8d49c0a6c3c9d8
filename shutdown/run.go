package shutdown

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"
)

// Run calls work and ends with it: when work returns, ctx ends or a signal
// arrives, it goes through the stages. It returns what went wrong in work and
// in all hooks, joined; nil means that nothing was lost.
//
// The context of work ends when the stage Drain begins: work that then returns
// before the drain deadline ends cleanly, also if it returns the context's error or
// [http.ErrServerClosed]. Work that does not is left behind, and is an error. When work ends by itself
// nobody is left to be told, and Wait is skipped. A stop before work began is
// a clean end without it. Nil work means to wait for the stop.
//
// A second signal makes Run return an [InterruptedError] at once; no more hooks
// are called then, and a third signal kills the process in the usual way.
func (s *Sequence) Run(ctx context.Context, work func(ctx context.Context) error) error {
	if !s.begin() {
		return errTwice
	}
	signals := make(chan os.Signal, 2)
	if len(s.signals) > 0 { // Notify takes none for all
		signal.Notify(signals, s.signals...)
		defer signal.Stop(signals)
	}
	r := &run{Sequence: s, signals: signals}
	defer s.end()
	return r.run(ctx, work)
}

// A run is one run of a sequence.
type run struct {
	*Sequence
	signals <-chan os.Signal
	base    context.Context // of hooks: it ends when Run returns
	spared  time.Duration   // what hooks have left of grace
	limit   time.Time       // of the hooks so far; lateness of one does not add to that of the next

	working   <-chan error // gets the result of work
	stopWork  context.CancelFunc
	errs      []error
	interrupt error // a second signal
}

// grace is how much longer than their contexts all hooks together may take, so
// that those which obey can say what they left undone.
const grace = 50 * time.Millisecond

func (r *run) run(ctx context.Context, work func(context.Context) error) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r.base, r.spared = base, grace
	skipWait := r.serve(ctx, work)
	defer r.stopWork()
	close(r.begun)
	began := time.Now()
	r.log.Info("shutting down", "limit", r.Limit())
	wait := r.wait
	if skipWait {
		wait = 0
	}
	deadline := began.Add(wait + r.drain)
	r.limit = deadline
	r.unready(began.Add(wait), deadline)
	r.drainAll(deadline)
	r.sequential(Close)
	r.sequential(Flush)
	err := errors.Join(r.errs...)
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case r.interrupt != nil:
		r.log.Warn("stopped at once", "reason", r.interrupt.Error(), "took", took)
		return errors.Join(r.interrupt, err)
	case err != nil:
		r.log.Error("stopped", "took", took, "error", err)
	default:
		r.log.Info("stopped", "took", took)
	}
	return err
}

// serve returns when it is time to stop, and whether nobody needs to be told.
func (r *run) serve(ctx context.Context, work func(context.Context) error) (skipWait bool) {
	workCtx, stop := context.WithCancel(r.base)
	r.stopWork = stop
	select {
	case sig := <-r.signals:
		r.log.Info("told to stop before the start", "reason", "signal "+sig.String())
		return true
	case <-ctx.Done():
		r.log.Info("told to stop before the start", "reason", context.Cause(ctx).Error())
		return true
	default:
	}
	if work != nil {
		r.working = guarded(workCtx, work)
	}
	select {
	case err := <-r.working:
		r.working = nil
		r.fail(workError(err, false))
		r.log.Info("told to stop", "reason", "the work ended")
		return true
	case <-ctx.Done():
		r.log.Info("told to stop", "reason", context.Cause(ctx).Error())
	case sig := <-r.signals:
		r.log.Info("told to stop", "reason", "signal "+sig.String())
	}
	return false
}

// workError is what the end of work means. To have obeyed is no failure.
func workError(err error, told bool) error {
	if err == nil || (told && (errors.Is(err, context.Canceled) || errors.Is(err, http.ErrServerClosed))) {
		return nil
	}
	if p, ok := errors.AsType[*panicError](err); ok {
		return fmt.Errorf("work: %w\n%s", err, p.stack)
	}
	return err
}

func (r *run) fail(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

// unready turns readiness off, and lets others notice until then.
func (r *run) unready(until, deadline time.Time) {
	for _, h := range r.take(Unready, false) {
		if r.interrupt != nil {
			return
		}
		ctx, cancel := bounded(r.base, h.timeout(), deadline)
		r.await(ctx, h, guarded(ctx, h.Run))
		cancel()
	}
	left := time.Until(until)
	if left <= 0 || r.interrupt != nil {
		return
	}
	r.log.Info("not ready any more; serving on while others notice", "for", left.Round(time.Millisecond))
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case err := <-r.working:
		r.working = nil
		r.fail(workError(err, false))
	case sig := <-r.signals:
		r.interrupted(sig)
	}
}

// drainAll runs the hooks of its stage all at once, and waits for the work.
func (r *run) drainAll(deadline time.Time) {
	if r.interrupt != nil {
		return
	}
	r.stopWork() // first, so that work which adds a hook too late can see that it was told
	hooks := r.take(Drain, false)
	r.log.Info("draining", "hooks", len(hooks), "within", time.Until(deadline).Round(time.Millisecond))
	type started struct {
		*Hook
		ctx  context.Context
		done <-chan error
	}
	var all []started
	for _, h := range hooks {
		ctx, cancel := bounded(r.base, h.timeout(), deadline)
		defer cancel()
		all = append(all, started{h, ctx, guarded(ctx, h.Run)})
	}
	for _, h := range all {
		if r.interrupt != nil {
			return
		}
		r.await(h.ctx, h.Hook, h.done)
	}
	if r.working == nil || r.interrupt != nil {
		return
	}
	ctx, cancel := context.WithDeadline(r.base, deadline)
	defer cancel()
	ended, err := r.result(ctx, r.working)
	switch {
	case ended:
		r.fail(workError(err, true))
	case r.interrupt == nil:
		r.fail(fmt.Errorf("work: %w", errLeft))
	}
}

// sequential runs the hooks of a stage one after another, the last first.
func (r *run) sequential(stage Stage) {
	for r.interrupt == nil {
		hooks := r.take(stage, true)
		if len(hooks) == 0 {
			return
		}
		r.limit = r.limit.Add(hooks[0].timeout())
		ctx, cancel := bounded(r.base, hooks[0].timeout(), r.limit)
		r.await(ctx, hooks[0], guarded(ctx, hooks[0].Run))
		cancel()
	}
}

// await takes the result of a hook.
func (r *run) await(ctx context.Context, h *Hook, done <-chan error) {
	began := time.Now()
	ended, err := r.result(ctx, done)
	if r.interrupt != nil {
		return
	}
	if !ended {
		err = errLeft
	}
	attrs := []any{"stage", h.Stage.String(), "hook", h.Name, "took", time.Since(began).Round(time.Millisecond)}
	if err == nil {
		r.log.Info("hook done", attrs...)
		return
	}
	attrs = append(attrs, "error", err)
	if p, ok := errors.AsType[*panicError](err); ok {
		attrs = append(attrs, "stack", string(p.stack))
	}
	r.log.Error("hook failed", attrs...)
	r.fail(h.named(err))
}

// result waits for done until ctx ends, and a little longer while there is
// grace; and for a second signal.
func (r *run) result(ctx context.Context, done <-chan error) (ended bool, err error) {
	select {
	case err := <-done:
		return true, err
	default:
	}
	select {
	case err := <-done:
		return true, err
	case sig := <-r.signals:
		r.interrupted(sig)
		return false, nil
	case <-ctx.Done():
	}
	began := time.Now()
	defer func() { r.spared -= time.Since(began) }()
	timer := time.NewTimer(max(0, r.spared))
	defer timer.Stop()
	select {
	case err := <-done:
		return true, err
	case <-timer.C:
		return false, nil
	}
}

func (r *run) interrupted(sig os.Signal) {
	r.log.Warn("second signal, stopping at once", "signal", sig.String())
	r.interrupt = &InterruptedError{sig}
}
