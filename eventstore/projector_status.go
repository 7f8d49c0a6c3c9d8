package eventstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// ProjectionStatus is how one version of a projection stands.
type ProjectionStatus struct {
	Name    string
	Version int
	// Current is the version that readers get, 0 before there is one.
	Current int
	// Position is up to where events are in the view, or parked. While nothing
	// that it selects happens it is stored three times per lease only.
	Position Position
	// Waiting is the number of events behind Position that are selected, counted
	// up to 1,000.
	Waiting int
	// Lag is the age of the first of them, by its Time; zero without one.
	Lag time.Duration
	// Applied counts the events in the view.
	Applied int64
	// Parked is the number of parked events.
	Parked int
	Paused bool
	Halted bool
	// Failing is the event that is tried again or that halted the projection, nil
	// without one.
	Failing *Failure
	// Holder is the runner that has the lease, and Token its fencing token. An
	// empty Holder means that nobody does.
	Holder string
	Token  uint64
}

const maxWaiting = 1000

// Status reads how the projection stands, from any process.
func (p *Projector) Status(ctx context.Context) (ProjectionStatus, error) {
	var s projectionState
	status := ProjectionStatus{Name: p.projection.Name, Version: p.projection.Version}
	err := p.views.ReadViews(ctx, func(ctx context.Context, tx ViewTx) (err error) {
		if s, _, err = loadState(ctx, tx, status.Name, status.Version); err != nil {
			return err
		}
		status.Current, err = loadCurrent(ctx, tx, status.Name)
		return err
	})
	if err != nil {
		return status, err
	}
	if s.Removed {
		return status, ErrRemoved
	}
	status.Position, status.Applied, status.Parked = s.Position, s.Applied, s.Parked
	status.Paused, status.Halted, status.Failing = s.Paused, s.Halted, s.Failing
	status.Holder, status.Token = s.Holder, s.Token
	return status, p.measure(ctx, &status)
}

// measure counts what waits.
func (p *Projector) measure(ctx context.Context, status *ProjectionStatus) error {
	c := cursor{store: p.store, query: AllQuery{After: status.Position, Filter: p.projection.Filter, Limit: p.store.page}}
	for !c.end && status.Waiting < maxWaiting {
		events, err := c.next(ctx)
		if err != nil {
			return err
		}
		if status.Waiting == 0 && len(events) > 0 {
			status.Lag = max(0, time.Since(events[0].Time))
		}
		status.Waiting = min(status.Waiting+len(events), maxWaiting)
	}
	return nil
}

// A HaltedError says that a projection stands still until [Projector.Resume].
type HaltedError struct {
	Name    string
	Version int
	Failure Failure
}

func (e *HaltedError) Error() string {
	return fmt.Sprintf("eventstore: projection %q version %d has halted before event %q: %s",
		e.Name, e.Version, e.Failure.EventID, e.Failure.Error)
}

// Check returns nil while the projection is well: not halted, no older than
// MaxLag, and its last transaction in this process was no failure. Parked events
// are no failure; they are in [ProjectionStats].
func (p *Projector) Check(ctx context.Context) error {
	if err := p.stats.lastError(); err != nil {
		return err
	}
	if p.projection.MaxLag <= 0 {
		s, err := p.load(ctx)
		if err != nil {
			return err
		}
		return p.halted(s.Halted, s.Failing)
	}
	status, err := p.Status(ctx)
	if err != nil {
		return err
	}
	if status.Lag > p.projection.MaxLag && !status.Halted {
		return fmt.Errorf("eventstore: projection %q version %d is %v behind", status.Name, status.Version, status.Lag)
	}
	return p.halted(status.Halted, status.Failing)
}

func (p *Projector) halted(halted bool, f *Failure) error {
	if !halted {
		return nil
	}
	e := &HaltedError{Name: p.projection.Name, Version: p.projection.Version}
	if f != nil {
		e.Failure = *f
	}
	return e
}

// ProjectionStats are counters of one [Projector], since it was made.
type ProjectionStats struct {
	// Applied is the number of events put into the view, and Batches that of the
	// transactions.
	Applied, Batches uint64
	// Retries counts failures of events, Errors those and all others.
	Retries, Errors uint64
	// Leases counts how often it took the lease.
	Leases uint64
	// Leading is set while it has the lease. The rest is known to the leader only.
	Leading bool
	// Lag is the age of the event that is next, zero when there is none.
	Lag time.Duration
	// Parked is the number of parked events.
	Parked int
}

// Stats returns the counters, without asking the backend.
func (p *Projector) Stats() ProjectionStats {
	s := ProjectionStats{
		Applied: p.stats.applied.Load(), Batches: p.stats.batches.Load(),
		Retries: p.stats.retries.Load(), Errors: p.stats.errors.Load(),
		Leases: p.stats.leases.Load(), Leading: p.stats.leading.Load(),
	}
	if !s.Leading {
		return s
	}
	s.Parked = int(p.stats.parked.Load())
	if behind := p.stats.behind.Load(); behind != 0 {
		s.Lag = max(0, time.Since(time.UnixMicro(behind)))
	}
	return s
}

type projectorStats struct {
	applied, batches, retries, errors, leases atomic.Uint64

	leading atomic.Bool
	parked  atomic.Int64
	behind  atomic.Int64 // the time of the next event in microseconds since 1970; 0 means none
	last    atomic.Pointer[error]
}

func (s *projectorStats) setError(err error) { s.last.Store(&err) }

func (s *projectorStats) lastError() error {
	if err := s.last.Load(); err != nil {
		return *err
	}
	return nil
}

// Pause stops the projection, in all processes and until [Projector.Resume].
func (p *Projector) Pause(ctx context.Context) error {
	return p.change(ctx, nil, func(_ context.Context, _ ViewTx, s *projectionState) error {
		s.Paused = true
		return nil
	})
}

// Resume lets a projection go on that was paused or has halted. The event that
// failed is tried again, as often as at first.
func (p *Projector) Resume(ctx context.Context) error {
	err := p.change(ctx, nil, func(_ context.Context, _ ViewTx, s *projectionState) error {
		s.Paused, s.Halted, s.Failing = false, false, nil
		return nil
	})
	select {
	case p.nudge <- struct{}{}:
	default:
	}
	return err
}

// Wait returns when this version is or was the current one and has all events
// up to a position in its view, or parked: with the position of an event that
// was appended, a reader sees it from then on. A projection that halts is a
// [*HaltedError].
func (p *Projector) Wait(ctx context.Context, position Position) error {
	const poll = 100 * time.Millisecond // for what runs elsewhere
	for {
		p.mu.Lock()
		known, moved := p.known, p.moved
		p.mu.Unlock()
		if known.Compare(position) >= 0 && known.Compare(Position{}) > 0 {
			return nil
		}
		s, err := p.load(ctx)
		if err != nil {
			return err
		}
		if s.Promoted && s.Position.Compare(position) >= 0 {
			return nil
		}
		if err := p.halted(s.Halted, s.Failing); err != nil {
			return err
		}
		timer := time.NewTimer(poll)
		select {
		case <-moved:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}
