package eventstore

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// An Event is a fact in a stream.
//
// A writer fills in Type and, as needed, ID, Schema, Data, Metadata and Time.
// Stream, Version and Position are set when the event is stored; what a writer
// leaves there is ignored.
type Event struct {
	// ID names the event in the whole store, and makes a retry safe: see
	// [Store.Append]. Empty means a new UUID of version 7, with which a retry by
	// the caller is another event.
	ID string
	// Type says what happened, such as "order.placed". Types that begin with "$"
	// are the store's own.
	Type string
	// Schema is the version of the form of Data. Zero means 1; negative is invalid.
	Schema int
	// Stream is the stream that holds the event.
	Stream string
	// Version counts the events of the stream from 1, without a gap.
	Version int64
	// Position is the place in the order of all events of the store.
	Position Position
	// Data is the payload: any bytes, JSON by custom.
	Data []byte
	// Metadata is what goes beside the payload.
	Metadata Metadata
	// Time is when it happened, kept as UTC in whole microseconds. Zero means the
	// time of the append; years beyond 1 to 9999 are invalid. The store does not
	// order by it.
	Time time.Time
	// Erased is set on reading an event whose subject's key was destroyed; Data
	// is nil then. See [Keys].
	Erased bool
}

// Metadata is what is known about an event beside its payload. It is never encrypted.
type Metadata struct {
	// Correlation names the whole affair that the event belongs to, such as a request.
	Correlation string `json:"correlation,omitempty"`
	// Causation names what led to the event: the ID of an event or a command.
	Causation string `json:"causation,omitempty"`
	// Subject names the person whose data the event holds. Not empty, the payload
	// is encrypted with the subject's key, where the store has [Keys].
	Subject string `json:"subject,omitempty"`
	// Sealed names the way in which Data is encrypted. The store sets it.
	Sealed string `json:"sealed,omitempty"`
	// Extra is the application's own.
	Extra map[string]string `json:"extra,omitempty"`
}

// IsZero reports whether nothing is set.
func (m Metadata) IsZero() bool {
	return m.Correlation == "" && m.Causation == "" && m.Subject == "" && m.Sealed == "" && len(m.Extra) == 0
}

// equal reports whether two metadata say the same.
func (m Metadata) equal(o Metadata) bool {
	return m.Correlation == o.Correlation && m.Causation == o.Causation && m.Subject == o.Subject &&
		m.Sealed == o.Sealed && maps.Equal(m.Extra, o.Extra)
}

// Types of the events by which a stream ends; see [Store.Delete] and [Store.Tombstone].
const (
	TypeDeleted   = "$deleted"
	TypeTombstone = "$tombstone"
)

// Decode unmarshals the JSON of Data into v. For a payload whose key was
// destroyed the error is an [*Erased].
func (e Event) Decode(v any) error {
	if e.Erased {
		return &Erased{Subject: e.Metadata.Subject}
	}
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("eventstore: event %q of type %q: %w", e.ID, e.Type, err)
	}
	return nil
}

// Clone returns a copy that shares no memory with e.
func (e Event) Clone() Event {
	e.Data = slices.Clone(e.Data)
	e.Metadata.Extra = maps.Clone(e.Metadata.Extra)
	return e
}

// NewEvent returns an event of the given type, schema version 1, with v as JSON
// and an ID of its own.
func NewEvent(typ string, v any) (Event, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return Event{}, fmt.Errorf("eventstore: event of type %q: %w", typ, err)
	}
	return Event{ID: NewID(), Type: typ, Schema: 1, Data: data}, nil
}

// NewID returns a UUID of version 7 (RFC 9562), which begins with the time, so
// that an index over many of them grows at its end.
func NewID() string {
	var u [16]byte
	_, _ = rand.Read(u[6:]) // never fails, by its contract
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli()))
	copy(u[:6], ms[2:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80

	var text [36]byte
	hex.Encode(text[0:8], u[0:4])
	hex.Encode(text[9:13], u[4:6])
	hex.Encode(text[14:18], u[6:8])
	hex.Encode(text[19:23], u[8:10])
	hex.Encode(text[24:36], u[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// sameContent reports whether stored is what appending e made. A time that the
// store chose is not compared.
func (e Event) sameContent(stored Event, ownTime bool) bool {
	return e.ID == stored.ID && e.Type == stored.Type && e.Schema == stored.Schema &&
		bytes.Equal(e.Data, stored.Data) && e.Metadata.equal(stored.Metadata) &&
		(ownTime || e.Time.Equal(stored.Time))
}
