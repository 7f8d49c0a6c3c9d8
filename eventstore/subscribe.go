package eventstore

import (
	"context"
	"iter"
)

// Subscribe iterates over the events of all streams that the filter selects,
// beginning after the position, and then waits for those to come: each one
// once, in order. It ends only with an error, which is yielded as the last
// thing: that of ctx, of the store, or [ErrAhead].
//
// The Position of an event that was dealt with is the checkpoint from which a
// later subscription goes on. Nothing runs between two steps of the loop: a
// slow reader holds one page of events and holds up nobody.
func (s *Store) Subscribe(ctx context.Context, after Position, f Filter) iter.Seq2[Event, error] {
	return s.opened(ctx, s.subscribe(ctx, after, f))
}

func (s *Store) subscribe(ctx context.Context, after Position, f Filter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		c := cursor{store: s, query: AllQuery{After: after, Filter: f, Limit: s.page}}
		err := s.checkAhead(ctx, after)
		for err == nil {
			var events []Event
			if events, err = c.next(ctx); err != nil {
				break
			}
			for _, e := range events {
				if err := ctx.Err(); err != nil {
					yield(Event{}, err)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			if c.end {
				err = s.backend.Wait(ctx, c.query.After)
			}
		}
		yield(Event{}, err)
	}
}

// checkAhead refuses a checkpoint that would silently skip what comes next.
func (s *Store) checkAhead(ctx context.Context, after Position) error {
	if after.IsZero() {
		return nil
	}
	head, err := s.backend.Head(ctx)
	if err == nil && after.Compare(head) > 0 {
		err = ErrAhead
	}
	return err
}
