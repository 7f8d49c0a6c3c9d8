package sqlite

import (
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"slices"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errSum = errors.New("the checksum of an event does not fit")

// A row is an event as it is stored.
type row struct {
	position, version, schema, time, sum int64
	stream, id, typ, metadata, data      sql.RawBytes
}

func (r *row) scan(rows *sql.Rows) error {
	return rows.Scan(&r.position, &r.stream, &r.version, &r.id, &r.typ, &r.schema, &r.time, &r.metadata, &r.data, &r.sum)
}

// event checks a row and copies it.
func (r *row) event(buf []byte) (eventstore.Event, []byte, error) {
	buf = r.append(buf[:0])
	if int64(crc32.Checksum(buf, castagnoli)) != r.sum {
		return eventstore.Event{}, buf, errSum
	}
	e := eventstore.Event{
		ID: string(r.id), Type: string(r.typ), Schema: int(r.schema),
		Stream: string(r.stream), Version: r.version, Position: position(r.position),
		Data: slices.Clone(r.data), Time: time.UnixMicro(r.time).UTC(),
	}
	if len(r.metadata) > 0 {
		if err := json.Unmarshal(r.metadata, &e.Metadata); err != nil {
			return e, buf, err
		}
	}
	return e, buf, nil
}

// append adds what the checksum is made of: all numbers, then all texts with
// their lengths.
func (r *row) append(b []byte) []byte {
	for _, n := range [...]int64{r.position, r.version, r.schema, r.time} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	for _, s := range [...]sql.RawBytes{r.stream, r.id, r.typ, r.metadata, r.data} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

// values appends the columns of an event to the arguments of an insert.
func values(args []any, e eventstore.Event, buf []byte) ([]any, []byte, error) {
	_, minor := e.Position.Parts()
	r := row{
		position: int64(minor), version: e.Version, schema: int64(e.Schema), time: e.Time.UnixMicro(),
		stream: []byte(e.Stream), id: []byte(e.ID), typ: []byte(e.Type), data: e.Data,
	}
	if !e.Metadata.IsZero() {
		var err error
		if r.metadata, err = json.Marshal(e.Metadata); err != nil {
			return nil, buf, err
		}
	}
	if r.data == nil {
		r.data = []byte{} // nil would be NULL
	}
	buf = r.append(buf[:0])
	sum := int64(crc32.Checksum(buf, castagnoli))
	return append(
		args, r.position, e.Stream, r.version, e.ID, e.Type, r.schema, r.time, string(r.metadata), []byte(r.data), sum,
	), buf, nil
}

func position(n int64) eventstore.Position { return eventstore.MakePosition(0, uint64(n)) }
