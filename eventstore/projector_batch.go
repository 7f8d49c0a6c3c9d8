package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// work projects with the lease until something fails.
func (r *runner) work(ctx context.Context) error {
	for {
		if r.state.Halted || r.state.Paused {
			// Somebody else may change that, and says so to the backend only.
			if err := r.pause(ctx, min(r.projection.Lease/signs, time.Second)); err != nil {
				return err
			}
			now, err := r.load(ctx)
			if err == nil && (now.Halted != r.state.Halted || now.Paused != r.state.Paused) {
				err = r.renew(ctx)
			}
			if err != nil {
				return err
			}
			continue
		}
		page, err := r.read(ctx, r.cursor, r.projection.BatchEvents)
		if err != nil {
			return err
		}
		err = r.project(ctx, page)
		if err == errMoved { //nolint:errorlint // returned as it is
			r.report(err)
			err = r.renew(ctx)
		}
		if err != nil {
			return err
		}
		if !page.end || r.cursor.Compare(page.next) < 0 {
			continue
		}
		if err := r.idle(ctx); err != nil {
			return err
		}
	}
}

// idle waits for events, and becomes the current version if it is not.
func (r *runner) idle(ctx context.Context) error {
	r.stats.behind.Store(0)
	r.reached(r.cursor)
	if !r.state.Promoted {
		if err := r.promote(ctx); err != nil {
			return err
		}
	}
	wait, cancel := context.WithTimeout(ctx, r.due())
	defer cancel()
	err := r.store.backend.Wait(wait, r.cursor)
	if err != nil && (wait.Err() == nil || ctx.Err() != nil) {
		return err
	}
	if r.due() == 0 {
		return r.renew(ctx)
	}
	return nil
}

// A batch is a page of events as they are applied.
type batch struct {
	events []batchEvent
	next   Position // behind which reading goes on
	end    bool
}

type batchEvent struct {
	Event
	after Position // what is before the event
	err   error    // why it cannot be read
}

// read reads and opens up to limit events behind a position.
func (p *Projector) read(ctx context.Context, after Position, limit int) (batch, error) {
	c := cursor{store: p.store, query: AllQuery{After: after, Filter: p.projection.Filter, Limit: p.store.page}}
	c.query.Limit.Events = limit
	events, err := c.next(ctx)
	if err != nil {
		return batch{}, err
	}
	b := batch{events: make([]batchEvent, len(events)), next: c.query.After, end: c.end}
	for i, e := range events {
		b.events[i] = batchEvent{Event: e, after: after}
		opened, err := p.store.open(ctx, e)
		if _, later := errors.AsType[*keyError](err); later {
			return batch{}, err // says nothing of the event
		}
		if b.events[i].err = err; err == nil {
			b.events[i].Event = opened
		}
		after = e.Position
	}
	return b, ctx.Err()
}

// A poisonError is the failure of one event: it says nothing of the others.
type poisonError struct {
	index int
	event batchEvent
	err   error
}

func (e *poisonError) Error() string {
	return fmt.Sprintf("eventstore: event %q of type %q: %v", e.event.ID, e.event.Type, e.err)
}

func (e *poisonError) Unwrap() error { return e.err }

// project applies a batch, in as many transactions as it takes. Those before an
// event that fails are stored without it; then it is alone.
func (r *runner) project(ctx context.Context, b batch) error {
	for len(b.events) > 0 {
		r.stats.behind.Store(b.events[0].Time.UnixMicro())
		done, err := r.transact(ctx, b)
		for part := b; err != nil; done, err = r.transact(ctx, part) {
			poison, ok := err.(*poisonError) //nolint:errorlint // another one around it is to blame then
			if !ok || ctx.Err() != nil {
				return err
			}
			r.stats.retries.Add(1)
			if poison.index == 0 {
				return r.poisoned(ctx, poison)
			}
			part = batch{events: part.events[:poison.index], next: poison.event.after}
		}
		if r.state.Halted || r.state.Paused {
			return nil
		}
		b.events = b.events[done:]
	}
	r.cursor = b.next
	return nil
}

// transact applies as many events of a batch as the time allows, and returns
// how many those were.
func (r *runner) transact(ctx context.Context, b batch) (done int, err error) {
	r.trying = 0
	err = r.fenced(ctx, nil, func(ctx context.Context, tx ViewTx, s *projectionState) (err error) {
		done, r.trying = 0, 0
		switch {
		case s.Position != r.state.Position:
			return errMoved // by a transaction whose outcome was unknown
		case s.Paused, s.Halted:
			return nil
		}
		done, err = r.apply(ctx, tx, s, b)
		return err
	})
	if err == nil {
		r.stats.batches.Add(1)
	}
	if r.trying > 0 && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		// It took all the time there was, whoever noticed first.
		err = &poisonError{r.trying - 1, b.events[r.trying-1], context.DeadlineExceeded}
	}
	return done, err
}

// apply puts events into the view, and the state behind them.
func (r *runner) apply(ctx context.Context, tx ViewTx, s *projectionState, b batch) (done int, err error) {
	began := time.Now()
	v := newView(tx, r.projection.Name, r.projection.Version, s.Position, true)
	parked := lot{p: r.Projector}
	if len(b.events) == 0 {
		s.Position = b.next
	}
	for i := range b.events {
		e := &b.events[i]
		if i > 0 && time.Since(began) > r.projection.BatchTime {
			break
		}
		if done = i + 1; done == len(b.events) {
			s.Position = b.next
		} else {
			s.Position = e.Position
		}
		switch behind, err := parked.behind(ctx, tx, s, e.Stream); {
		case err != nil:
			return 0, err
		case behind && s.Parked >= r.projection.MaxParked:
			return 0, &poisonError{i, *e, errFull}
		case behind:
			if err := r.park(ctx, tx, s, newFailure(e.Event, e.after, 0, errBehind)); err != nil {
				return 0, err
			}
			continue
		}
		v.position = e.after
		r.trying = i + 1
		err := r.applyOne(ctx, v, e)
		switch {
		case v.failed != nil: // whatever Apply made of it
			return 0, v.failed
		case err != nil:
			return 0, &poisonError{i, *e, err}
		}
		r.trying = 0
		s.Applied++
	}
	if s.Failing != nil && s.Failing.Position.Compare(s.Position) <= 0 {
		s.Failing = nil
	}
	return done, v.flush(ctx)
}

// applyOne turns a panic into an error: the event is poison, the process is not.
func (p *Projector) applyOne(ctx context.Context, v *View, e *batchEvent) (err error) {
	if e.err != nil {
		return e.err
	}
	defer func() {
		if c := recover(); c != nil {
			err = fmt.Errorf("eventstore: panic: %v", c)
		}
	}()
	return p.projection.Apply(ctx, v, e.Event)
}
