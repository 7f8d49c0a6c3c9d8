package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Parked returns the events that were put aside, those of one stream together
// and in their order. Later ones of a stream, which only stand behind another,
// have no attempts.
func (p *Projector) Parked(ctx context.Context) (parked []Failure, err error) {
	err = p.views.ReadViews(ctx, func(ctx context.Context, tx ViewTx) error {
		parked = nil
		const page = 256
		for after := ""; ; {
			entries, err := tx.Scan(ctx, p.space("parked"), "", after, page)
			if err != nil {
				return err
			}
			for _, e := range entries {
				var f Failure
				if err := e.Decode(&f); err != nil {
					return err
				}
				parked = append(parked, f)
			}
			if len(entries) < page {
				return nil
			}
			after = entries[page-1].Key
		}
	})
	return parked, err
}

// Retry applies the parked events of a stream in their order, each in its own
// transaction, and returns how many it did. It stops with the error of the first
// that fails, which stays parked with the rest. It may be called in any process,
// while the projection runs.
func (p *Projector) Retry(ctx context.Context, stream string) (int, error) {
	for n := 0; ; n++ {
		applied, err := p.retryFirst(ctx, stream)
		if err != nil || !applied {
			return n, err
		}
	}
}

// retryFirst applies the first parked event of a stream, if there is one.
func (p *Projector) retryFirst(ctx context.Context, stream string) (applied bool, err error) {
	limited, cancel := context.WithTimeout(ctx, p.projection.Lease)
	defer cancel()
	err = p.change(limited, nil, func(ctx context.Context, tx ViewTx, s *projectionState) error {
		applied = false
		f, ok, err := p.firstParked(ctx, tx, stream)
		if err != nil || !ok {
			return err
		}
		e, err := p.find(ctx, f)
		if err != nil {
			return err
		}
		v := newView(tx, p.projection.Name, p.projection.Version, s.Position, true)
		err = p.applyOne(ctx, v, &e)
		switch {
		case v.failed != nil: // whatever Apply made of it
			return v.failed
		case err != nil:
			return &poisonError{0, e, err}
		}
		if err := v.flush(ctx); err != nil {
			return err
		}
		applied = true
		s.Applied++
		return p.unpark(ctx, tx, s, f)
	})
	poison, ok := err.(*poisonError) //nolint:errorlint // another one around it is to blame then
	if !ok || ctx.Err() != nil {
		return applied && err == nil, err
	}
	return false, errors.Join(err, p.change(ctx, nil, func(ctx context.Context, tx ViewTx, _ *projectionState) error {
		f, ok, err := p.firstParked(ctx, tx, stream)
		if err != nil || !ok || f.Position != poison.event.Position {
			return err // somebody else was here
		}
		f = newFailure(poison.event.Event, f.After, f.Attempts+1, poison.err)
		return putJSON(ctx, tx, p.space("parked"), parkedKey(stream, f.Position), f)
	}))
}

func (p *Projector) firstParked(ctx context.Context, tx ViewTx, stream string) (f Failure, ok bool, err error) {
	first, err := tx.Scan(ctx, p.space("parked"), parkedPrefix(stream), "", 1)
	if err != nil || len(first) == 0 {
		return f, false, err
	}
	return f, true, json.Unmarshal(first[0].Value, &f)
}

// find reads the event of a failure again.
func (p *Projector) find(ctx context.Context, f Failure) (batchEvent, error) {
	for after := f.After; ; {
		b, err := p.read(ctx, after, 1)
		if err != nil {
			return batchEvent{}, err
		}
		if len(b.events) > 0 && b.events[0].Position == f.Position {
			return b.events[0], nil
		}
		if len(b.events) > 0 || b.end {
			return batchEvent{}, fmt.Errorf("eventstore: event %q is not at position %v any more", f.EventID, f.Position)
		}
		after = b.next
	}
}

func (p *Projector) unpark(ctx context.Context, tx ViewTx, s *projectionState, f Failure) error {
	s.Parked--
	return tx.Put(ctx, p.space("parked"), []ViewEntry{{parkedKey(f.Stream, f.Position), nil}})
}

// Discard gives up a parked event: it never gets into the view. One that is not
// parked is no error. Events that stand behind it wait for [Projector.Retry].
func (p *Projector) Discard(ctx context.Context, f Failure) error {
	return p.change(ctx, nil, func(ctx context.Context, tx ViewTx, s *projectionState) error {
		_, ok, err := tx.Get(ctx, p.space("parked"), parkedKey(f.Stream, f.Position))
		if err != nil || !ok {
			return err
		}
		return p.unpark(ctx, tx, s, f)
	})
}
