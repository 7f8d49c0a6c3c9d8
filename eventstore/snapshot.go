package eventstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
)

// Snapshots is what a [Backend] may also do: keep the state of aggregates, so
// that loading one does not replay its whole stream. Snapshots are disposable:
// they may be lost, and what is read is checked.
type Snapshots interface {
	// SaveSnapshot keeps s in the place of an earlier one of the same stream and kind.
	SaveSnapshot(ctx context.Context, s Snapshot) error
	// LoadSnapshot returns the snapshot and true, or false where there is none.
	LoadSnapshot(ctx context.Context, stream, kind string) (Snapshot, bool, error)
}

// A Snapshot is the state of an aggregate after an event of its stream.
type Snapshot struct {
	Stream string
	// Kind is that of the [Aggregate].
	Kind string
	// Schema is the version of the form of State.
	Schema int
	// Version is that of the last event in it.
	Version int64
	// EventID is the ID of that event: a stream that was restored or imported
	// from elsewhere does not have it there.
	EventID string
	// State is the state as JSON.
	State []byte
	// Sum is the SHA-256 of all the other fields.
	Sum [32]byte
}

func (s Snapshot) sum() [32]byte {
	var b []byte
	for _, text := range []string{s.Stream, s.Kind, s.EventID} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	b = binary.AppendVarint(b, int64(s.Schema))
	b = binary.AppendVarint(b, s.Version)
	return sha256.Sum256(append(b, s.State...))
}
