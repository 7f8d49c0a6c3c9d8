package eventstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A Projector runs one version of a [Projection], and tells about it. It is safe
// for concurrent use. Any number of them, in any number of processes, may run the
// same version: one works, the others wait to take its place.
type Projector struct {
	store      *Store
	views      Views
	projection Projection

	running atomic.Bool
	token   uint64        // the last one that it held; belongs to Run
	nudge   chan struct{} // capacity 1: the state was changed here, look at once
	stats   projectorStats

	mu    sync.Mutex
	known Position      // a position that the view has reached
	moved chan struct{} // closed and replaced when known changes
}

var (
	// errFenced means that another runner has the lease.
	errFenced = errors.New("eventstore: the lease of the projection was lost")
	// errMoved means that the state is not what this runner last knew of it.
	errMoved = errors.New("eventstore: the projection is elsewhere")
)

// Run projects until ctx ends, and returns its error: first all there is, then
// what comes. It outlasts failures of the backend, with pauses in between, and
// ends by itself only with [ErrClosed], [ErrAhead], [ErrRemoved], or when this
// Projector runs already. Whoever calls it owns it: cancel ctx, and wait.
//
// One runner at a time has the lease of the version. The others take over when
// it lets go, or gives no sign of life for as long as its lease. One that was
// only asleep finds out with its next transaction, which changes nothing then.
func (p *Projector) Run(ctx context.Context) error {
	if !p.running.CompareAndSwap(false, true) {
		return invalid("the projector runs already")
	}
	defer p.running.Store(false)
	const most = 5 * time.Second
	for wait := p.projection.Backoff; ; {
		began := time.Now()
		err := p.lead(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrClosed), errors.Is(err, ErrAhead), errors.Is(err, ErrRemoved):
			p.stats.setError(err) // it does not go on by itself
			return err
		case errors.Is(err, errFenced):
			p.report(err)
			continue
		}
		p.stats.setError(err)
		p.report(err)
		if time.Since(began) > most {
			wait = p.projection.Backoff
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, most)
	}
}

// lead waits for the lease and works with it until something fails.
func (p *Projector) lead(ctx context.Context) error {
	r := &runner{Projector: p}
	if err := r.acquire(ctx); err != nil {
		return err
	}
	p.stats.leases.Add(1)
	p.stats.leading.Store(true)
	defer p.stats.leading.Store(false)
	defer r.release(ctx)
	if err := p.store.checkAhead(ctx, r.state.Position); err != nil {
		return err
	}
	return r.work(ctx)
}

func (p *Projector) report(err error) {
	p.stats.errors.Add(1)
	if p.projection.OnError != nil {
		p.projection.OnError(err)
	}
}

// reached lets those go on who wait for a position that readers can see.
func (r *runner) reached(at Position) {
	if !r.state.Promoted {
		return
	}
	p := r.Projector
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.Compare(p.known) > 0 {
		p.known = at
		close(p.moved)
		p.moved = make(chan struct{})
	}
}

// change changes the state of the projection, whoever runs it.
func (p *Projector) change(
	ctx context.Context, also []string, f func(ctx context.Context, tx ViewTx, s *projectionState) error,
) error {
	name, version := p.projection.Name, p.projection.Version
	return p.views.UpdateViews(ctx, append(also, versionLock(name, version)), func(ctx context.Context, tx ViewTx) error {
		s, _, err := loadState(ctx, tx, name, version)
		if err != nil {
			return err
		}
		if s.Removed {
			return ErrRemoved
		}
		if err := f(ctx, tx, &s); err != nil {
			return err
		}
		return saveState(ctx, tx, name, version, s)
	})
}

// load returns the state as it is committed; it is zero before the first run.
// The error is ErrRemoved if this version is not there any more.
func (p *Projector) load(ctx context.Context) (s projectionState, err error) {
	err = p.views.ReadViews(ctx, func(ctx context.Context, tx ViewTx) (err error) {
		s, _, err = loadState(ctx, tx, p.projection.Name, p.projection.Version)
		return err
	})
	if err == nil && s.Removed {
		err = ErrRemoved
	}
	return s, err
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
