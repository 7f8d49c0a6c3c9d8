package eventstore

import "fmt"

// StreamState is what a [Backend] has to know of a stream in order to append to it.
// The zero value is a stream that was never written.
type StreamState struct {
	// Version is that of the last event.
	Version int64
	// Hidden is the version up to which events were deleted.
	Hidden int64
	// Tombstoned is set when the stream was ended for good.
	Tombstoned bool
}

// Admit returns the error of an append that expects something else, or nil.
func (s StreamState) Admit(stream string, expected Expected) error {
	if s.Tombstoned {
		return fmt.Errorf("%w: %q", ErrTombstoned, stream)
	}
	live := s.Version > s.Hidden
	var ok bool
	switch expected {
	case Any:
		ok = true
	case NoStream:
		ok = !live
	case Exists:
		ok = live
	default:
		ok = s.Version == int64(expected)
	}
	if !ok {
		return &ConflictError{Stream: stream, Expected: expected, Actual: s.Version}
	}
	return nil
}

// Next sets stream and version of events that follow s, and returns the state
// after them.
func (s StreamState) Next(stream string, events []Event) StreamState {
	for i := range events {
		s.Version++
		events[i].Stream, events[i].Version = stream, s.Version
		switch events[i].Type {
		case TypeDeleted:
			s.Hidden = s.Version
		case TypeTombstone:
			s.Hidden, s.Tombstoned = s.Version, true
		}
	}
	return s
}

// Repeated decides about an append of which some IDs are stored. Stored is what
// the store has under the IDs of the append, in any order.
//
// The result is nil when nothing is stored; the stored events in the order of
// the append, when it is a retry; else the error is a [*DuplicateError].
func Repeated(a Append, stored []Event) ([]Event, error) {
	if len(stored) == 0 {
		return nil, nil
	}
	byID := make(map[string]Event, len(stored))
	for _, e := range stored {
		byID[e.ID] = e
	}
	out := make([]Event, len(a.Events))
	for i, e := range a.Events {
		s, ok := byID[e.ID]
		switch {
		case !ok:
			return nil, &DuplicateError{ID: stored[0].ID}
		case s.Stream != a.Stream,
			i > 0 && s.Version != out[i-1].Version+1,
			!e.sameContent(s, i < len(a.OwnTime) && a.OwnTime[i]):
			return nil, &DuplicateError{ID: e.ID}
		}
		out[i] = s
	}
	return out, nil
}
