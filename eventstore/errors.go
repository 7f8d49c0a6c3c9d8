package eventstore

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is what a closed store answers.
	ErrClosed = errors.New("eventstore: closed")
	// ErrWritesClosed is what a store answers to the writes that it failed to make
	// durable, and to all later ones: what is on the disk is unknown until it is
	// opened again. Reads go on.
	ErrWritesClosed = errors.New("eventstore: closed to writes after a failed commit; reopen it")
	// ErrNoSpace means that nothing was stored for want of space. The same append
	// succeeds when there is space again.
	ErrNoSpace = errors.New("eventstore: no space left")
	// ErrTombstoned means that the stream was ended for good by [Store.Tombstone].
	ErrTombstoned = errors.New("eventstore: the stream is tombstoned")
	// ErrAhead means that a position lies after the end of the store: it belongs
	// to another store, or this one was restored from an older copy.
	ErrAhead = errors.New("eventstore: the position is ahead of the store")
	// ErrNoView means that no version of a projection has caught up with the store yet.
	ErrNoView = errors.New("eventstore: the projection has no current version")
	// ErrRemoved means that this version of a projection was taken out by
	// [Projector.Remove].
	ErrRemoved = errors.New("eventstore: this version of the projection was removed")
)

// A ConflictError says that a stream was not as an append expected.
type ConflictError struct {
	Stream   string
	Expected Expected
	// Actual is the version of the stream's last event, 0 without one.
	Actual int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("eventstore: stream %q is at version %d, expected %v", e.Stream, e.Actual, e.Expected)
}

// A DuplicateError says that an ID is taken: by an event with other content, by
// one of another stream, or by one that was stored in another append.
type DuplicateError struct{ ID string }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("eventstore: the ID %q belongs to another event", e.ID)
}

// An InvalidError says what is wrong with a request; nothing was stored.
type InvalidError struct{ Problem string }

func (e *InvalidError) Error() string { return "eventstore: " + e.Problem }

func invalid(format string, args ...any) error {
	return &InvalidError{Problem: fmt.Sprintf(format, args...)}
}
