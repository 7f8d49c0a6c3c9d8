package eventstore

import (
	"context"
	"errors"
	"time"
)

// A Projection derives a view from the events of many streams. A [Projector] runs it.
type Projection struct {
	// Name tells projections apart; the name of a stream would do. It is required.
	Name string
	// Version counts up when the view is to be built anew, because Apply or Filter
	// changed. Zero means 1; negative is invalid. The new version runs beside the
	// old one until it has caught up; then readers get the new one, at once.
	Version int
	// Filter selects the events. Its types are as stored, before upcasting.
	Filter Filter
	// Apply puts one event into the view. Events come in the order of their
	// positions. What it does to the view is stored with the position of the
	// event, in one transaction: exactly once. The same goes for what it does in
	// the transaction of an adapter, such as sqlite.TxFrom(ctx) or
	// postgres.TxFrom(ctx).
	//
	// Everything else that it does, in another database for example, happens at
	// least once: after a failure it is given the same events again. There it
	// should keep Event.Position with what it writes, and ignore an event that is
	// not after it; and [Projection.Lease] guards against two runners at one time
	// only as far as that comparison and the write are one.
	//
	// Events may be [TypeDeleted] or [TypeTombstone] of the store, unless Filter has
	// types, and they may be Erased.
	//
	// An error, or a panic, takes back the transaction. It must end when ctx does,
	// which is after half a lease at the latest. It may read the store, and must
	// not append to it.
	Apply func(ctx context.Context, v *View, e Event) error

	// Retries is how often an event that fails is tried again before OnPoison
	// decides. Zero means 5; negative means never.
	Retries int
	// Backoff is the time before the first retry. It doubles up to 100 times as
	// much. Zero or negative means 100 milliseconds.
	Backoff time.Duration
	// OnPoison says what becomes of an event that fails each time. Zero means [Halt].
	OnPoison Poison
	// MaxParked is how many events may be parked; the one that would be too many
	// halts the projection. Zero or negative means 1,000.
	MaxParked int

	// BatchEvents is how many events share a transaction at most. Zero or negative
	// means 2,000.
	BatchEvents int
	// BatchTime is for how long events are added to a transaction. Zero or
	// negative means 50 milliseconds. Appends to an SQLite file wait for as long.
	BatchTime time.Duration

	// MaxLag is how old the first event that waits may be for [Projector.Check].
	// Zero or negative means any age.
	MaxLag time.Duration
	// Lease is how long a runner that gives no sign of life keeps others from
	// taking its place. A transaction may take half as long. Zero or negative
	// means 10 seconds. Replicas need no common clock.
	Lease time.Duration
	// Holder names this replica in [ProjectionStatus]. Empty means a random name.
	Holder string
	// OnError is told about every failure, on the goroutine of the runner: of
	// events, of the backend, of the lease. Nil means that nobody listens.
	OnError func(error)
}

// Poison says what becomes of an event that cannot be applied.
type Poison int

const (
	// Halt stops the projection before the event, until [Projector.Resume].
	Halt Poison = iota
	// Park puts the event aside, to be looked at with [Projector.Parked], and goes
	// on. Later events of the same stream are put aside behind it, so that those
	// of one stream are always applied in order.
	Park
)

func (p Projection) withDefaults() Projection {
	if p.Version == 0 {
		p.Version = 1
	}
	if p.Retries == 0 {
		p.Retries = 5
	}
	if p.Backoff <= 0 {
		p.Backoff = 100 * time.Millisecond
	}
	if p.MaxParked <= 0 {
		p.MaxParked = 1000
	}
	if p.BatchEvents <= 0 {
		p.BatchEvents = 2000
	}
	if p.BatchTime <= 0 {
		p.BatchTime = 50 * time.Millisecond
	}
	if p.Lease <= 0 {
		p.Lease = 10 * time.Second
	}
	if p.Holder == "" {
		p.Holder = NewID()
	}
	return p
}

var errNoViews = errors.New("eventstore: the backend keeps no views")

// NewProjector returns a projector for one version of a projection. It does
// nothing until [Projector.Run]; the other methods work beside a runner in any
// process. The error is an [*InvalidError] where the projection has no name, no
// Apply or a negative version, or else that the backend does not implement [Views].
func NewProjector(store *Store, p Projection) (*Projector, error) {
	if err := store.limits.name("name of a projection", p.Name); err != nil {
		return nil, err
	}
	if p.Apply == nil || p.Version < 0 || p.OnPoison < Halt || p.OnPoison > Park {
		return nil, invalid("a projection needs an apply function, no negative version and a known way with poison")
	}
	views, ok := store.backend.(Views)
	if !ok {
		return nil, errNoViews
	}
	p = p.withDefaults()
	r := &Projector{store: store, views: views, projection: p, nudge: make(chan struct{}, 1), moved: make(chan struct{})}
	return r, nil
}
