package eventstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// line is an event as JSON. A payload that is compact JSON stands in it as it
// is, any other one in base64, so that an import has the same bytes.
type line struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Schema   int             `json:"schema"`
	Stream   string          `json:"stream"`
	Version  int64           `json:"version"`
	Time     time.Time       `json:"time"`
	Metadata Metadata        `json:"metadata,omitzero"`
	Data     json.RawMessage `json:"data,omitempty"`
	Base64   []byte          `json:"base64,omitempty"`
}

// Export writes the events of all streams after the position as JSON lines, as
// they are stored: neither upcast nor decrypted. It returns the position of the
// last one, from which a later export goes on.
func (s *Store) Export(ctx context.Context, w io.Writer, after Position) (Position, error) {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for e, err := range s.readAll(ctx, after, Filter{}) {
		if err != nil {
			return after, errors.Join(err, out.Flush())
		}
		l := line{
			ID: e.ID, Type: e.Type, Schema: e.Schema, Stream: e.Stream, Version: e.Version,
			Time: e.Time, Metadata: e.Metadata,
		}
		if plainJSON(e.Data) {
			l.Data = e.Data
		} else {
			l.Base64 = e.Data
		}
		if err := enc.Encode(l); err != nil {
			return after, fmt.Errorf("eventstore: export: %w", err)
		}
		after = e.Position
	}
	return after, out.Flush()
}

// plainJSON reports whether data survives as a part of a line byte for byte.
func plainJSON(data []byte) bool {
	var compact bytes.Buffer
	return utf8.Valid(data) && json.Compact(&compact, data) == nil && bytes.Equal(compact.Bytes(), data)
}

// Import appends the events of an export, with their streams, versions, IDs and
// times; positions are the store's own. A stream has to be as it was before the
// first of its events in the export: else the error is a [*ConflictError].
// Events that are there already, unchanged, are passed over, so that an import
// that was cut off can be run again.
//
// Consecutive events of one stream are appended together, up to the limits of
// one append; the import as a whole is not one transaction. It returns how many
// events were read and are stored.
func (s *Store) Import(ctx context.Context, r io.Reader) (int, error) {
	in := importer{store: s}
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	for {
		var l line
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			err := in.flush(ctx)
			return in.done, err
		}
		if err != nil {
			return in.done, fmt.Errorf("eventstore: import after %d events: %w", in.done+len(in.batch), err)
		}
		if err := in.add(ctx, l); err != nil {
			return in.done, err
		}
	}
}

// An importer gathers events that can be appended at once.
type importer struct {
	store *Store
	batch []Event
	size  int
	done  int
}

func (in *importer) add(ctx context.Context, l line) error {
	e := Event{
		ID: l.ID, Type: l.Type, Schema: l.Schema, Stream: l.Stream, Version: l.Version,
		Time: l.Time, Metadata: l.Metadata, Data: l.Data,
	}
	if len(l.Base64) > 0 {
		e.Data = l.Base64
	}
	if e.ID == "" || e.Version < 1 || e.Time.IsZero() {
		return invalid("import after %d events: an event without ID, version or time", in.done+len(in.batch))
	}
	size := len(e.Data) + e.Metadata.size()
	if n := len(in.batch); n > 0 {
		last := in.batch[n-1]
		limits := in.store.limits
		if e.Stream != last.Stream || e.Version != last.Version+1 ||
			n == min(limits.Events, 1000) || over(in.size+size, limits.Batch) {
			if err := in.flush(ctx); err != nil {
				return err
			}
		}
	}
	in.batch, in.size = append(in.batch, e), in.size+size
	return nil
}

func (in *importer) flush(ctx context.Context) error {
	if len(in.batch) == 0 {
		return nil
	}
	first := in.batch[0]
	stored, err := in.store.append(ctx, first.Stream, Expected(first.Version-1), in.batch)
	if err == nil && stored[0].Version != first.Version {
		err = &DuplicateError{ID: first.ID}
	}
	var duplicate *DuplicateError
	if errors.As(err, &duplicate) && len(in.batch) > 1 {
		return in.flushSingly(ctx) // an import that was cut off wrote a part of the batch
	}
	if err != nil {
		return fmt.Errorf("eventstore: import of event %q: %w", first.ID, err)
	}
	in.done += len(in.batch)
	in.batch, in.size = in.batch[:0], 0
	return nil
}

func (in *importer) flushSingly(ctx context.Context) error {
	batch := in.batch
	for i := range batch {
		in.batch = batch[i : i+1 : i+1]
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	in.batch = nil
	return nil
}
