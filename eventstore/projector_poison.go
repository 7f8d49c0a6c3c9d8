package eventstore

import (
	"context"
	"errors"
)

// poisoned counts the failure of an event, and waits, parks it or halts.
func (r *runner) poisoned(ctx context.Context, poison *poisonError) error {
	var attempts int
	err := r.fenced(ctx, nil, func(ctx context.Context, tx ViewTx, s *projectionState) error {
		if s.Position != r.state.Position {
			return errMoved
		}
		if attempts = 1; s.Failing != nil && s.Failing.Position == poison.event.Position {
			attempts += s.Failing.Attempts
		}
		failure := newFailure(poison.event.Event, poison.event.after, attempts, poison.err)
		s.Failing = &failure
		switch {
		case attempts <= r.projection.Retries:
			return nil
		case r.projection.OnPoison == Park && s.Parked < r.projection.MaxParked:
			s.Failing, s.Position = nil, failure.Position
			return r.park(ctx, tx, s, failure)
		default:
			s.Halted = true
			return nil
		}
	})
	if err != nil {
		return err
	}
	r.report(poison)
	r.stats.parked.Store(int64(r.state.Parked))
	if r.state.Failing == nil || r.state.Halted {
		return nil
	}
	const doublings = 7 // to more than 100 times
	wait := r.projection.Backoff << min(attempts-1, doublings)
	return r.pause(ctx, min(wait, 100*r.projection.Backoff))
}

var (
	errBehind = errors.New("eventstore: an event before it of the same stream is parked")
	errFull   = errors.New("eventstore: an event before it of the same stream is parked, and no more may be")
)

// A lot knows which streams have parked events, for one transaction.
type lot struct {
	p     *Projector
	known map[string]bool
}

// behind reports whether an event before one of the stream is parked.
func (l *lot) behind(ctx context.Context, tx ViewTx, s *projectionState, stream string) (bool, error) {
	if s.Parked == 0 {
		return false, nil
	}
	there, ok := l.known[stream]
	if ok {
		return there, nil
	}
	first, err := tx.Scan(ctx, l.p.space("parked"), parkedPrefix(stream), "", 1)
	if err != nil {
		return false, err
	}
	if l.known == nil {
		l.known = make(map[string]bool)
	}
	l.known[stream] = len(first) > 0
	return len(first) > 0, nil
}

// park puts an event aside.
func (p *Projector) park(ctx context.Context, tx ViewTx, s *projectionState, f Failure) error {
	s.Parked++
	return putJSON(ctx, tx, p.space("parked"), parkedKey(f.Stream, f.Position), f)
}

// A parked event has a key that sorts those of one stream by their position. The
// name of a stream has no control character.
func parkedKey(stream string, at Position) string { return parkedPrefix(stream) + at.String() }
func parkedPrefix(stream string) string           { return stream + "\x1f" }
