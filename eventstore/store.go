package eventstore

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Options of a [Store]. The zero value is ready.
type Options struct {
	// Limits bound what an append may bring.
	Limits Limits
	// Upcasters bring old events to the form of today on reading. Nil means none.
	Upcasters *Upcasters
	// Keys encrypt the payloads of events with a subject. Nil means that they are
	// kept in the clear.
	Keys Keys
	// PageEvents is how many events are read at a time. Zero or negative means 512.
	PageEvents int
	// PageBytes is at which sum of payloads a page ends. Zero or negative means
	// 4 MiB. A reader holds one page, whatever it reads.
	PageBytes int
}

// A Store appends and reads events. It is safe for concurrent use, and so are
// several stores over one backend.
type Store struct {
	backend   Backend
	limits    Limits
	upcasters *Upcasters
	keys      Keys
	page      PageLimit
}

// New returns a store over a backend. Nil options mean the zero value. The
// backend stays the caller's, who closes it after the last use of the store.
func New(backend Backend, opts *Options) *Store {
	var o Options
	if opts != nil {
		o = *opts
	}
	s := &Store{
		backend:   backend,
		limits:    o.Limits.withDefaults(),
		upcasters: o.Upcasters,
		keys:      o.Keys,
		page:      PageLimit{Events: o.PageEvents, Bytes: o.PageBytes},
	}
	if s.page.Events <= 0 {
		s.page.Events = 512
	}
	if s.page.Bytes <= 0 {
		s.page.Bytes = 4 << 20
	}
	return s
}

// Backend returns the backend, for what it can do beyond the interface.
func (s *Store) Backend() Backend { return s.backend }

// Append stores events at the end of a stream: all of them or none, with
// consecutive versions, durable before it returns. It returns them as they were
// stored.
//
// An append is repeated safely with the same IDs. When the stream has all of
// them already, in this order and with the same content, the stored events are
// returned, whatever is expected: they may be from before what others appended
// since. In every other case in which an ID is taken the error is a
// [*DuplicateError].
//
// Other errors after which nothing is stored: [*ConflictError] when the stream is
// not as expected, [*InvalidError] for what the limits forbid, [ErrTombstoned],
// [ErrNoSpace], [ErrClosed]. After any other one, [ErrWritesClosed] and the end of
// ctx among them, the events may be stored or not: repeat the append with the
// same IDs.
func (s *Store) Append(ctx context.Context, stream string, expected Expected, events ...Event) ([]Event, error) {
	for _, e := range events {
		if strings.HasPrefix(e.Type, "$") {
			return nil, invalid("the event type %q is the store's own", e.Type)
		}
		if e.Metadata.Sealed != "" {
			return nil, invalid("an event that is sealed already")
		}
	}
	return s.append(ctx, stream, expected, events)
}

func (s *Store) append(ctx context.Context, stream string, expected Expected, events []Event) ([]Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if expected < Exists {
		return nil, invalid("expected version %d", int64(expected))
	}
	a := prepare(stream, expected, events)
	if err := s.limits.check(stream, a.Events); err != nil {
		return nil, err
	}
	if err := s.seal(ctx, a); err != nil {
		return nil, err
	}
	stored, err := s.backend.Append(ctx, a)
	if err != nil {
		return nil, err
	}
	out := make([]Event, len(stored))
	for i, e := range stored {
		out[i] = e.Clone()
	}
	for i := range out { // as the caller wrote it, not as it was sealed
		out[i].Data = events[i].Data
		out[i].Metadata.Sealed = events[i].Metadata.Sealed
	}
	return out, nil
}

// prepare copies events and fills in what their writer left to the store.
func prepare(stream string, expected Expected, events []Event) Append {
	a := Append{Stream: stream, Expected: expected, Events: make([]Event, len(events)), OwnTime: make([]bool, len(events))}
	now := time.Now()
	for i, e := range events {
		e = e.Clone()
		e.Stream, e.Version, e.Position, e.Erased = stream, 0, Position{}, false
		if e.ID == "" {
			e.ID = NewID()
		}
		if e.Schema == 0 {
			e.Schema = 1
		}
		if e.Time.IsZero() {
			e.Time, a.OwnTime[i] = now, true
		}
		e.Time = e.Time.UTC().Truncate(time.Microsecond)
		a.Events[i] = e
	}
	return a
}

// Delete hides the events of a stream from its readers. The stream counts as
// one without events; appending to it goes on with the next version. The
// deletion is itself an event, of [TypeDeleted], and [Store.ReadAll] shows it
// after all that it hides: the history stays whole. To take personal data out
// of it, see [Keys].
//
// Any means the same as Exists. The errors are those of Append.
func (s *Store) Delete(ctx context.Context, stream string, expected Expected) error {
	if expected == Any {
		expected = Exists
	}
	_, err := s.append(ctx, stream, expected, []Event{{Type: TypeDeleted}})
	return err
}

// Tombstone ends a stream for good: reading it and appending to it fail with
// [ErrTombstoned] from then on. Its events remain in [Store.ReadAll], with one of
// [TypeTombstone] at their end. A stream that was never written can be
// tombstoned too, which reserves its name.
//
// A stream that is tombstoned already is no error. Others are those of Append.
func (s *Store) Tombstone(ctx context.Context, stream string, expected Expected) error {
	_, err := s.append(ctx, stream, expected, []Event{{Type: TypeTombstone}})
	if errors.Is(err, ErrTombstoned) {
		return nil
	}
	return err
}

// Head returns the position of the last event, or zero.
func (s *Store) Head(ctx context.Context) (Position, error) { return s.backend.Head(ctx) }
