package resume

import (
	"context"
	"errors"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

// Segments are where the events of one period each are kept, by its number. They
// are used by one goroutine at a time.
type Segments interface {
	// Open opens a segment, and makes it where there is none.
	Open(ctx context.Context, n int64) (eventstore.Backend, error)
	// Drop removes all segments whose number is less. None of them is open here.
	Drop(ctx context.Context, before int64) error
}

// A segment is one that is open.
type segment struct {
	n       int64
	backend eventstore.Backend
	store   *eventstore.Store
	bytes   int64 // that were appended here; under Store.mu
}

// segments returns the segment of the last period, which is nil while it cannot
// be had, and that of this one. Where the period is another than before it opens,
// closes and drops.
func (s *Store) segments(ctx context.Context) (last, now *segment, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, nil, eventstore.ErrClosed
	case ctx.Err() != nil: // it waited for one that did not get them
		return nil, nil, ctx.Err()
	}
	n := time.Now().UnixNano() / int64(s.keep)
	same := s.now != nil && s.now.n == n
	if same && s.last != nil {
		return s.last, s.now, nil
	}
	// Segments are for all: who asks first may leave, and the others have to wait.
	ctx, cancel := context.WithTimeout(context.Background(), operationTime)
	defer cancel()
	if same {
		s.openLast(ctx, n-1)
		return s.last, s.now, nil
	}
	if s.rests() {
		return nil, nil, errResting
	}
	s.release(s.last)
	if s.last = s.now; s.last != nil && s.last.n != n-1 {
		s.release(s.last)
		s.last = nil
	}
	if s.now, err = s.open(ctx, n); err != nil {
		if ctx.Err() != nil {
			s.rest()
		}
		return nil, nil, err
	}
	s.retry = time.Time{}
	s.openLast(ctx, n-1)
	if err := s.place.Drop(ctx, n-1); err != nil {
		s.report(err)
	}
	s.prune(n)
	return s.last, s.now, nil
}

// openLast opens the segment of the last period, unless it is open or it failed
// a moment ago.
func (s *Store) openLast(ctx context.Context, n int64) {
	if s.last != nil || time.Now().Before(s.retry) {
		return
	}
	var err error
	if s.last, err = s.open(ctx, n); err != nil {
		s.retry = time.Now().Add(restTime)
		s.report(err) // until then, what was sent in it cannot be fetched
	}
}

func (s *Store) open(ctx context.Context, n int64) (*segment, error) {
	b, err := s.place.Open(ctx, n)
	if err != nil {
		return nil, err
	}
	limits := eventstore.Limits{Data: -1, Batch: -1} // a segment has one for all
	return &segment{n: n, backend: b, store: eventstore.New(b, &eventstore.Options{Limits: limits})}, nil
}

func (s *Store) release(old *segment) {
	if old == nil {
		return
	}
	if err := old.backend.Close(); err != nil {
		s.report(err)
	}
}

// Close closes the segments, and leaves them for the next process. Everything
// fails from then on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, open := range []*segment{s.last, s.now} {
		if open != nil {
			errs = append(errs, open.backend.Close())
		}
	}
	s.last, s.now = nil, nil
	return errors.Join(errs...)
}

// Check returns nil where events can be kept.
func (s *Store) Check(ctx context.Context) error {
	_, now, err := s.segments(ctx)
	if err != nil {
		return err
	}
	_, err = now.store.Head(ctx)
	return err
}
