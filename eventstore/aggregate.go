package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// An Aggregate says how a state of type S follows from the events of a stream.
// Snapshots are JSON: what json.Marshal makes of a state, json.Unmarshal must
// make the same state of, from the zero value of S.
type Aggregate[S any] struct {
	// Kind names the type of the state, to tell its snapshots from others of the
	// same stream. It must not be empty.
	Kind string
	// Schema is the version of the form and the meaning of S. Count it up when
	// either changes: snapshots of other versions are ignored. Zero means 1.
	Schema int
	// New returns the state before the first event. Nil means the zero value of S.
	New func() S
	// Apply returns the state after an event. It is pure: it depends on nothing
	// else. It may change and return the state that it was given. It must take
	// types it does not know, and events that are Erased.
	Apply func(S, Event) (S, error)
	// SnapshotEvery is after how many events a snapshot is written. Zero means
	// 100; negative means that their number does not matter.
	SnapshotEvery int
	// SnapshotAfter is the duration of a replay that leads to a snapshot. Zero
	// means 20 milliseconds; negative means that the duration does not matter.
	SnapshotAfter time.Duration
	// Retries is how often Update tries again after a conflict. Zero means 10;
	// negative means never.
	Retries int
	// OnSnapshotError is told why a snapshot was not written, on the goroutine of
	// the repository. Nil means that nobody cares: the state is replayed then.
	OnSnapshotError func(stream string, err error)
}

func (a Aggregate[S]) withDefaults() Aggregate[S] {
	if a.Schema == 0 {
		a.Schema = 1
	}
	if a.New == nil {
		a.New = func() (zero S) { return zero }
	}
	if a.SnapshotEvery == 0 {
		a.SnapshotEvery = 100
	}
	if a.SnapshotAfter == 0 {
		a.SnapshotAfter = 20 * time.Millisecond
	}
	if a.Retries == 0 {
		a.Retries = 10
	}
	return a
}

// A Repository loads and saves aggregates of one type. It is safe for
// concurrent use.
//
// Where the backend keeps [Snapshots], the repository writes them on a goroutine
// of its own, from a replay of its own: no append or load waits for one. A
// stream with an encrypted event gets none, since a snapshot would outlive the key.
type Repository[S any] struct {
	store     *Store
	aggregate Aggregate[S]
	snapshots Snapshots // nil without
	writer    *snapshotWriter
}

// NewRepository returns a repository, to be closed after use.
func NewRepository[S any](store *Store, a Aggregate[S]) (*Repository[S], error) {
	if a.Kind == "" || a.Apply == nil || a.Schema < 0 {
		return nil, invalid("an aggregate needs a kind, an apply function and no negative schema version")
	}
	r := &Repository[S]{store: store, aggregate: a.withDefaults()}
	if s, ok := store.backend.(Snapshots); ok {
		r.snapshots = s
		r.writer = newSnapshotWriter(r.writeSnapshot, a.OnSnapshotError)
	}
	return r, nil
}

// Close ends the writing of snapshots; those that were not begun are left out.
func (r *Repository[S]) Close() {
	if r.writer != nil {
		r.writer.close()
	}
}

// Load returns the state of a stream, and the version of its last event, which
// is 0 where there is none. The version is what [Repository.Save] expects.
func (r *Repository[S]) Load(ctx context.Context, stream string) (S, int64, error) {
	began := time.Now()
	l, err := r.load(ctx, stream)
	if err != nil {
		var zero S
		return zero, 0, err
	}
	every, after := r.aggregate.SnapshotEvery, r.aggregate.SnapshotAfter
	if every > 0 && l.replayed >= every || after > 0 && l.replayed > 0 && time.Since(began) > after {
		r.wantSnapshot(stream)
	}
	return l.state, l.version, nil
}

// Save appends events to a stream that is still at the version. It is
// [Store.Append] that looks after snapshots.
func (r *Repository[S]) Save(ctx context.Context, stream string, version int64, events ...Event) ([]Event, error) {
	stored, err := r.store.Append(ctx, stream, Expected(version), events...)
	if err != nil {
		return nil, err
	}
	last, every := stored[len(stored)-1].Version, int64(r.aggregate.SnapshotEvery)
	if every > 0 && last/every != (stored[0].Version-1)/every {
		r.wantSnapshot(stream)
	}
	return stored, nil
}

// Update loads a state, asks for the events that follow from it, and saves
// them; when somebody else was faster it begins again. No events mean that
// there is nothing to do. It returns the state after the events.
//
// Decide may run several times and must not change the state. Its error ends
// Update and is returned as it is. When the retries do not suffice, the error is
// the last [*ConflictError].
func (r *Repository[S]) Update(ctx context.Context, stream string, decide func(S) ([]Event, error)) (S, error) {
	for try := 0; ; try++ {
		state, err := r.update(ctx, stream, decide)
		var conflict *ConflictError
		if err == nil || !errors.As(err, &conflict) || try >= r.aggregate.Retries {
			return state, err
		}
	}
}

func (r *Repository[S]) update(ctx context.Context, stream string, decide func(S) ([]Event, error)) (S, error) {
	var zero S
	state, version, err := r.Load(ctx, stream)
	if err != nil {
		return zero, err
	}
	events, err := decide(state)
	if err != nil {
		return zero, err
	}
	if len(events) == 0 {
		return state, nil
	}
	stored, err := r.Save(ctx, stream, version, events...)
	if err != nil {
		return zero, err
	}
	if stored[0].Version <= version { // a retry: the state has these events already
		return state, nil
	}
	for _, e := range stored {
		if state, err = r.apply(state, e); err != nil {
			return zero, err
		}
	}
	return state, nil
}

func (r *Repository[S]) apply(state S, e Event) (S, error) {
	next, err := r.aggregate.Apply(state, e)
	if err != nil {
		return next, fmt.Errorf("eventstore: apply version %d of %q: %w", e.Version, e.Stream, err)
	}
	return next, nil
}

// loaded is a state and how it came about.
type loaded[S any] struct {
	state    S
	version  int64  // of the last event
	eventID  string // its ID
	replayed int    // how many events were applied
	secret   bool   // one of them was encrypted
}

func (r *Repository[S]) load(ctx context.Context, stream string) (loaded[S], error) {
	if state, snapshot, ok := r.loadSnapshot(ctx, stream); ok {
		from := loaded[S]{state: state, version: snapshot.Version, eventID: snapshot.EventID}
		l, fits, err := r.replay(ctx, stream, from)
		if fits || err != nil {
			return l, err
		}
	}
	l, _, err := r.replay(ctx, stream, loaded[S]{state: r.aggregate.New()})
	return l, err
}

// replay applies what follows from. It begins with the event that from ends
// with, and reports whether the stream has it there: a snapshot of a stream
// that was deleted or restored does not fit.
func (r *Repository[S]) replay(ctx context.Context, stream string, from loaded[S]) (l loaded[S], fits bool, err error) {
	l, fits = from, from.version == 0
	for e, err := range r.store.ReadStream(ctx, stream, from.version, Forward) {
		switch {
		case err != nil:
			return l, fits, err
		case !fits:
			if fits = e.Version == from.version && e.ID == from.eventID; !fits {
				return l, false, nil
			}
			continue
		}
		if l.state, err = r.apply(l.state, e); err != nil {
			return l, fits, err
		}
		l.version, l.eventID, l.replayed = e.Version, e.ID, l.replayed+1
		l.secret = l.secret || r.store.keys != nil && e.Metadata.Subject != ""
	}
	return l, fits, nil
}

// loadSnapshot returns a state that may be trusted. Any other snapshot counts as none.
func (r *Repository[S]) loadSnapshot(ctx context.Context, stream string) (state S, s Snapshot, ok bool) {
	if r.snapshots == nil {
		return state, s, false
	}
	s, ok, err := r.snapshots.LoadSnapshot(ctx, stream, r.aggregate.Kind)
	if err != nil || !ok || s.Version < 1 ||
		s.Stream != stream || s.Kind != r.aggregate.Kind || s.Schema != r.aggregate.Schema || s.Sum != s.sum() {
		return state, s, false
	}
	return state, s, json.Unmarshal(s.State, &state) == nil
}

func (r *Repository[S]) wantSnapshot(stream string) {
	if r.writer != nil {
		r.writer.want(stream)
	}
}

func (r *Repository[S]) writeSnapshot(ctx context.Context, stream string) error {
	l, err := r.load(ctx, stream)
	if err != nil || l.replayed == 0 || l.secret {
		return err
	}
	s := Snapshot{
		Stream: stream, Kind: r.aggregate.Kind, Schema: r.aggregate.Schema, Version: l.version, EventID: l.eventID,
	}
	if s.State, err = json.Marshal(l.state); err != nil {
		return err
	}
	s.Sum = s.sum()
	return r.snapshots.SaveSnapshot(ctx, s)
}
