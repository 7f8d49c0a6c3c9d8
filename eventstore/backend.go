package eventstore

import (
	"context"
	"slices"
	"strings"
)

// A Backend keeps events: the part of a [Store] that differs between a slice, a
// file and a server. It is small on purpose; limits, iterators, subscriptions,
// upcasting and encryption are built on top of it, once. A backend is safe for
// concurrent use. Whether it keeps its promises is tested by package eventstoretest.
//
// What a backend can do beyond this is found by type assertion: [Snapshots] and
// [Views].
type Backend interface {
	// Append stores events at the end of a stream, all or none, and returns when
	// they are durable. Limits are checked, ID, Schema and Time are set. The
	// backend may keep the events and their data: nobody changes them any more.
	//
	// It returns the events with Stream, Version and Position. The rules are those
	// of [Store.Append]; [Repeated] and [StreamState] have the logic.
	//
	// A backend whose commit failed in a way that leaves open what is on the disk
	// answers ErrWritesClosed from then on. When ctx ends first, the events may
	// be stored or not.
	Append(ctx context.Context, a Append) ([]Event, error)
	// ReadStream returns events of one stream. Those up to [StreamState.Hidden]
	// are left out. The error of a tombstoned stream is [ErrTombstoned].
	ReadStream(ctx context.Context, q StreamQuery) (Page, error)
	// ReadAll returns events of all streams in the order of their positions. An
	// event must never become visible before one with a smaller position may still
	// appear. Deleted and tombstoned streams are included.
	ReadAll(ctx context.Context, q AllQuery) (Page, error)
	// Head returns the position of the last visible event, or zero.
	Head(ctx context.Context) (Position, error)
	// Wait returns when there may be an event after the position, early or for
	// nothing as it likes; or with the error of ctx, or with ErrClosed.
	Wait(ctx context.Context, after Position) error
	// Close frees what the backend holds, after what runs has ended. Everything
	// else returns ErrClosed from then on. A second Close does nothing.
	Close() error
}

// Append is a request to a [Backend].
type Append struct {
	Stream   string
	Expected Expected
	Events   []Event
	// OwnTime has a true for each event whose time was chosen by the store, so
	// that a retry, which comes later, is recognized.
	OwnTime []bool
}

// StreamQuery asks a [Backend] for events of one stream.
type StreamQuery struct {
	Stream string
	// From is the version to begin with, itself included. Backward, zero means the
	// last event.
	From     int64
	Backward bool
	Limit    PageLimit
}

// AllQuery asks a [Backend] for events of all streams.
type AllQuery struct {
	// After is the position behind which to begin.
	After  Position
	Filter Filter
	Limit  PageLimit
}

// PageLimit bounds a page. Both are positive. A page may end earlier.
type PageLimit struct {
	// Events is the largest number of events.
	Events int
	// Bytes is a sum of payloads: the event that reaches it is the page's last.
	Bytes int
}

// A Page is a part of the events that a query asks for. They belong to the caller.
type Page struct {
	Events []Event
	// Next is the position behind which ReadAll goes on. It may be behind the
	// last event where a filter left out others.
	Next Position
	// End is set when there was nothing more. A page without it makes progress.
	End bool
}

// A Filter selects events. Its zero value selects all.
type Filter struct {
	// Types are the types that are wanted, as stored, before upcasting.
	// Empty means every type.
	Types []string
	// StreamPrefix is how the names of the wanted streams begin.
	StreamPrefix string
}

// Match reports whether the filter selects e.
func (f Filter) Match(e Event) bool {
	return strings.HasPrefix(e.Stream, f.StreamPrefix) && (len(f.Types) == 0 || slices.Contains(f.Types, e.Type))
}
