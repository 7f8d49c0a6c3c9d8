package sqlite

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A row is an event as it is stored.
type row struct {
	position, version, schema, time, sum int64
	stream, id, typ, metadata            string
	data                                 []byte
}

// A decoder makes events of rows. It copies what it keeps, and shares the names
// that neighbors have in common.
type decoder struct {
	buf         []byte
	stream, typ string
}

// event checks a row.
func (d *decoder) event(r *row) (eventstore.Event, error) {
	d.buf = r.append(d.buf[:0])
	if int64(crc32.Checksum(d.buf, castagnoli)) != r.sum {
		return eventstore.Event{}, errors.New("the checksum does not fit")
	}
	if d.stream != r.stream {
		d.stream = strings.Clone(r.stream)
	}
	if d.typ != r.typ {
		d.typ = strings.Clone(r.typ)
	}
	e := eventstore.Event{
		ID: strings.Clone(r.id), Type: d.typ, Schema: int(r.schema), Stream: d.stream, Version: r.version,
		Position: position(r.position), Data: slices.Clone(r.data), Time: time.UnixMicro(r.time).UTC(),
	}
	if r.metadata != "" {
		if err := json.Unmarshal([]byte(r.metadata), &e.Metadata); err != nil {
			return e, err
		}
	}
	return e, nil
}

// append adds what the checksum is made of: all numbers, then all texts with
// their lengths.
func (r *row) append(b []byte) []byte {
	for _, n := range [...]int64{r.position, r.version, r.schema, r.time} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n)) //nolint:gosec // its bits
	}
	for _, s := range [...]string{r.stream, r.id, r.typ, r.metadata} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // SQLite ends at 1 GB
		b = append(b, s...)
	}
	return append(b, r.data...)
}

// values appends the columns of an event to the arguments of an insert.
func values(args []any, e eventstore.Event, buf []byte) ([]any, []byte, error) {
	_, minor := e.Position.Parts()
	r := row{
		position: int64(minor), //nolint:gosec // made by position
		version:  e.Version, schema: int64(e.Schema), time: e.Time.UnixMicro(),
		stream: e.Stream, id: e.ID, typ: e.Type, data: e.Data,
	}
	if !e.Metadata.IsZero() {
		text, err := json.Marshal(e.Metadata)
		if err != nil {
			return nil, buf, err
		}
		r.metadata = string(text)
	}
	if r.data == nil {
		r.data = []byte{} // nil would be NULL
	}
	buf = r.append(buf[:0])
	r.sum = int64(crc32.Checksum(buf, castagnoli))
	return append(
		args, r.position, r.stream, r.version, r.id, r.typ, r.schema, r.time, r.metadata, r.data, r.sum,
	), buf, nil
}

func position(n int64) eventstore.Position {
	return eventstore.MakePosition(0, uint64(n)) //nolint:gosec // positive
}
