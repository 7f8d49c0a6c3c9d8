package eventstore

import (
	"context"
	"iter"
)

// Direction is the order in which a stream is read.
type Direction bool

const (
	// Forward reads from old to new.
	Forward Direction = false
	// Backward reads from new to old.
	Backward Direction = true
)

// ReadStream iterates over the events of a stream, beginning with the version
// from, itself included. Zero or negative means the first event forward, and
// the last one backward. A stream without events yields none; a tombstoned one
// yields [ErrTombstoned].
//
// An error is yielded once, as the last thing. Events that are appended while
// the iterator runs may be seen or not.
func (s *Store) ReadStream(ctx context.Context, stream string, from int64, dir Direction) iter.Seq2[Event, error] {
	return s.opened(ctx, s.readStream(ctx, stream, from, dir))
}

// readStream yields events as they are stored.
func (s *Store) readStream(ctx context.Context, stream string, from int64, dir Direction) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := s.limits.name("stream", stream); err != nil {
			yield(Event{}, err)
			return
		}
		q := StreamQuery{Stream: stream, From: max(from, 0), Backward: bool(dir), Limit: s.page}
		for {
			page, err := s.backend.ReadStream(ctx, q)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range page.Events {
				if !yield(e, nil) {
					return
				}
			}
			if page.End || len(page.Events) == 0 {
				return
			}
			last := page.Events[len(page.Events)-1].Version
			if q.From = last + 1; dir == Backward {
				if q.From = last - 1; q.From == 0 { // which would mean the end again
					return
				}
			}
		}
	}
}

// ReadAll iterates over the events of all streams that the filter selects, in
// the order of their positions, beginning after the position. It ends at the
// end of the store. An error is yielded once, as the last thing.
func (s *Store) ReadAll(ctx context.Context, after Position, f Filter) iter.Seq2[Event, error] {
	return s.opened(ctx, s.readAll(ctx, after, f))
}

func (s *Store) readAll(ctx context.Context, after Position, f Filter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		c := cursor{store: s, query: AllQuery{After: after, Filter: f, Limit: s.page}}
		for !c.end {
			events, err := c.next(ctx)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// A cursor reads all events page by page.
type cursor struct {
	store *Store
	query AllQuery
	end   bool // the last page reached the end
}

func (c *cursor) next(ctx context.Context) ([]Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	page, err := c.store.backend.ReadAll(ctx, c.query)
	if err != nil {
		return nil, err
	}
	c.query.After, c.end = page.Next, page.End
	return page.Events, nil
}

// opened turns stored events into those a reader sees: decrypted and upcast.
func (s *Store) opened(ctx context.Context, events iter.Seq2[Event, error]) iter.Seq2[Event, error] {
	if s.keys == nil && s.upcasters == nil {
		return events
	}
	return func(yield func(Event, error) bool) {
		for e, err := range events {
			if err == nil {
				e, err = s.open(ctx, e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) open(ctx context.Context, e Event) (Event, error) {
	e, err := s.unseal(ctx, e)
	if err != nil {
		return Event{}, err
	}
	return s.upcasters.upcast(e)
}
