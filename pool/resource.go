package pool

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/puddle/v2"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// create is how puddle makes a resource. ctx has the values of the caller.
func (p *Pool[T]) create(ctx context.Context) (*entry[T], error) {
	if p.closed.Load() {
		return nil, errClosed
	}
	if p.watch.stuck.Load() >= int64(p.cfg.MaxSize) {
		return nil, unavailable(p.cfg.Name, time.Second, errors.New("too many callbacks hang"))
	}
	turn, wait, last := p.backoff.enter()
	if wait > 0 {
		// Whom last was meant for is not known, so that its code is not kept.
		return nil, &mcperrors.Error{Code: mcperrors.Unavailable, Message: "not available, retry shortly", RetryAfter: wait, Cause: last}
	}
	p.creating.Add(1)
	defer p.creating.Add(-1)
	run, cancel := context.WithTimeout(detached{p.life, ctx}, p.cfg.CreateTimeout)
	defer cancel()
	v, _, err := within(run, run, &p.watch, p.cfg.Create, func(v T, err error) {
		if err == nil {
			p.exists.Add(1)
			p.destroy(&entry[T]{pool: p, value: v})
		}
	})
	if err != nil {
		if p.closed.Load() {
			p.backoff.withdraw(turn)
			return nil, errClosed
		}
		p.counts.createFailed.Add(1)
		return nil, unavailable(p.cfg.Name, p.backoff.leave(turn, err), err)
	}
	p.backoff.leave(turn, nil)
	p.counts.created.Add(1)
	now := p.now()
	e := &entry[T]{pool: p, value: v, expires: expiry(now, p.cfg.MaxLifetime)}
	e.since.Store(int64(now))
	p.exists.Add(1)
	p.size.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries[e] = struct{}{}
	return e, nil
}

// destruct is how puddle ends a resource. It returns when the resource no
// longer counts.
func (p *Pool[T]) destruct(e *entry[T]) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.destroy(e)
	}()
	timer := time.NewTimer(p.cfg.DestroyTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-p.life.Done():
	}
}

// destroy ends a resource and returns when that is done.
func (p *Pool[T]) destroy(e *entry[T]) {
	p.forget(e)
	p.ending.Add(1)
	if p.cfg.Destroy != nil {
		// Not p.life: a resource is ended properly when the pool is closed, too.
		ctx, cancel := context.WithTimeout(context.Background(), p.cfg.DestroyTimeout)
		defer cancel()
		if err := guard(func() error { return p.cfg.Destroy(ctx, e.value) }); err != nil {
			p.report(err)
		}
	}
	p.counts.destroyed.Add(1)
	p.ending.Add(-1)
	p.exists.Add(-1)
	if p.cfg.MinIdle > 0 {
		p.want()
	}
	p.settle()
}

// forget has e counted no more, if it was.
func (p *Pool[T]) forget(e *entry[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.entries[e]; ok {
		delete(p.entries, e)
		p.size.Add(-1)
	}
}

// doubtful tells whether e, which nobody else has, is to be validated.
func (p *Pool[T]) doubtful(e *entry[T], res *puddle.Resource[*entry[T]], now time.Duration) bool {
	if p.cfg.Validate == nil {
		return false
	}
	// A resource is used after it was lent, so that most need no second look
	// at the clock.
	if last := time.Duration(e.since.Load()); now-last < p.cfg.ValidateAfter {
		return false
	}
	return res.IdleDuration() >= p.cfg.ValidateAfter
}

// validate returns nil if e works. Else e is on its way out.
func (p *Pool[T]) validate(ctx context.Context, e *entry[T], res *puddle.Resource[*entry[T]]) error {
	if p.cfg.Validate == nil {
		return nil
	}
	run, cancel := context.WithTimeout(detached{p.life, ctx}, p.cfg.ValidateTimeout)
	defer cancel()
	_, left, err := within(ctx, run, &p.watch, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, p.cfg.Validate(ctx, e.value)
	}, func(struct{}, error) { p.destroy(e) })
	switch {
	case left:
		p.forget(e)
		res.Hijack() // so that it does not take the room of another
	case err != nil:
		res.Destroy()
	}
	if err != nil && ctx.Err() == nil {
		p.counts.invalid.Add(1)
	}
	return err
}

// report tells what no caller is told.
func (p *Pool[T]) report(err error) {
	if p.cfg.Report == nil {
		return
	}
	_ = guard(func() error {
		p.cfg.Report(err)
		return nil
	})
}
