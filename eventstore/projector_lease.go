package eventstore

import (
	"context"
	"time"
)

// A runner is a Projector's time with the lease. It belongs to one goroutine.
type runner struct {
	*Projector

	state   projectionState // as this runner last stored it
	cursor  Position        // up to where it has read: nothing behind state.Position needs to be applied
	renewed time.Time       // when the last sign of life was begun
	trying  int             // the event of the batch that is being applied, counted from 1; 0 between two
}

// acquire waits for the lease and takes it.
func (r *runner) acquire(ctx context.Context) error {
	for {
		seen, err := r.load(ctx)
		if err != nil {
			return err
		}
		r.stats.setError(nil)
		// What this Projector held itself it need not wait for.
		if seen.Holder != "" && (r.token == 0 || seen.Token != r.token) {
			quiet, err := r.watch(ctx, seen)
			if err != nil {
				return err
			}
			if !quiet {
				continue
			}
		}
		taken, err := r.take(ctx, seen)
		if err != nil || taken {
			return err
		}
	}
}

// watch returns true when the holder gave no sign of life for the length of its
// lease, by the clock of this process; false as soon as it did.
func (r *runner) watch(ctx context.Context, seen projectionState) (bool, error) {
	began := time.Now()
	for time.Since(began) < seen.Lease {
		if !sleep(ctx, min(seen.Lease/5, seen.Lease-time.Since(began))) {
			return false, ctx.Err()
		}
		now, err := r.load(ctx)
		if err != nil {
			return false, err
		}
		if now.Token != seen.Token || now.Beat != seen.Beat || now.Holder == "" {
			return false, nil
		}
	}
	return true, nil
}

// take takes the lease with the next token, if nobody moved meanwhile.
func (r *runner) take(ctx context.Context, seen projectionState) (taken bool, err error) {
	began := time.Now()
	var next projectionState
	err = r.change(ctx, nil, func(_ context.Context, _ ViewTx, s *projectionState) error {
		if s.Token != seen.Token || s.Beat != seen.Beat {
			return errMoved
		}
		s.Token++
		s.Beat++
		s.Holder, s.Lease = r.projection.Holder, r.projection.Lease
		next = *s
		return nil
	})
	if err == errMoved { //nolint:errorlint // returned as it is
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.state, r.cursor, r.renewed, r.token = next, next.Position, began, next.Token
	return true, nil
}

// fenced changes the state as the holder of the lease, and gives a sign of life
// by it. It takes no longer than half the lease, so that who exceeds that can
// still say so. With the error errFenced the runner has to begin anew.
func (r *runner) fenced(
	ctx context.Context, also []string, f func(ctx context.Context, tx ViewTx, s *projectionState) error,
) error {
	name, version := r.projection.Name, r.projection.Version
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.projection.Lease/2)
	defer cancel()
	var next projectionState
	err := r.views.UpdateViews(ctx, append(also, versionLock(name, version)), func(ctx context.Context, tx ViewTx) error {
		s, ok, err := loadState(ctx, tx, name, version)
		switch {
		case err != nil:
			return err
		case s.Removed:
			return ErrRemoved
		case !ok || s.Token != r.state.Token || s.Holder == "":
			return errFenced
		}
		if err := f(ctx, tx, &s); err != nil {
			return err
		}
		s.Beat++
		next = s
		return saveState(ctx, tx, name, version, s)
	})
	if err != nil {
		return err
	}
	r.stats.setError(nil)
	r.stats.applied.Add(uint64(next.Applied - r.state.Applied)) //nolint:gosec // it grows
	r.stats.parked.Store(int64(next.Parked))
	r.state, r.renewed = next, began
	if r.cursor.Compare(next.Position) < 0 {
		r.cursor = next.Position
	}
	r.reached(next.Position)
	return nil
}

// signs is how many signs of life a lease has.
const signs = 3

// due is how long until the next sign of life.
func (r *runner) due() time.Duration {
	return max(0, r.projection.Lease/signs-time.Since(r.renewed))
}

// renew gives a sign of life, and keeps how far the runner has read.
func (r *runner) renew(ctx context.Context) error {
	return r.fenced(ctx, nil, func(_ context.Context, _ ViewTx, s *projectionState) error {
		if s.Position == r.state.Position && r.cursor.Compare(s.Position) > 0 {
			s.Position = r.cursor
		}
		return nil
	})
}

// pause waits without losing the lease, or until the state was changed here.
func (r *runner) pause(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(min(left, r.due()))
		select {
		case <-timer.C:
		case <-r.nudge:
			timer.Stop()
			return r.renew(ctx)
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if r.due() == 0 {
			if err := r.renew(ctx); err != nil {
				return err
			}
		}
	}
}

// release lets go of the lease, so that nobody has to wait for its end.
func (r *runner) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(r.projection.Lease, 5*time.Second))
	defer cancel()
	_ = r.fenced(ctx, nil, func(_ context.Context, _ ViewTx, s *projectionState) error {
		s.Holder = ""
		return nil
	}) // without it they wait
}
