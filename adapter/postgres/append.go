package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// Append implements [eventstore.Backend]. Two round trips: one that locks the
// stream and brings its state, and one that stores and commits. Where the
// connection is lost the append is repeated, which its IDs make safe; when that
// does not succeed in time, [ErrUnknownOutcome] is in the chain of the error.
func (b *Backend) Append(ctx context.Context, a eventstore.Append) ([]eventstore.Event, error) {
	if _, nested := b.within(ctx); nested { // it would have its number before the lock, see horizonSQL
		return nil, errNested
	}
	var stored []eventstore.Event
	unknown := false
	err := b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		w := write{b: b, conn: conn.Conn(), append: a}
		var err error
		stored, err = w.run(ctx)
		unknown = unknown || w.sent && conn.Conn().IsClosed()
		return err
	})
	if err == nil {
		b.tell()
		return stored, nil
	}
	if unknown && mcperrors.CodeOf(err) == mcperrors.Unavailable {
		err = mcperrors.Wrap(
			mcperrors.Unavailable,
			"the event store is not available; the append may be stored or not, repeat it with the same IDs",
			errors.Join(ErrUnknownOutcome, err),
		)
	}
	return nil, err
}

// A write is one try of an append.
type write struct {
	b      *Backend
	conn   *pgx.Conn
	append eventstore.Append
	sent   bool // the commit
}

// maxRaces bounds how often an append begins anew after a value was taken and
// nothing is found under the IDs. Once would be a damaged store.
const maxRaces = 2

var errDamaged = errors.New("postgres: a value is there and cannot be found")

func (w *write) run(ctx context.Context) ([]eventstore.Event, error) {
	for range maxRaces {
		stored, err := w.once(ctx)
		if err == nil || !violates(err) {
			return stored, err
		}
		if stored, err = w.repeated(ctx); stored != nil || err != nil {
			return stored, err
		}
	}
	return nil, errDamaged
}

func (w *write) once(ctx context.Context) (_ []eventstore.Event, err error) {
	defer func() {
		if err != nil && !w.conn.IsClosed() && w.conn.PgConn().TxStatus() != 'I' {
			_, _ = w.conn.Exec(ctx, "rollback") // on failure the pool drops the connection
		}
	}()
	state, there, err := w.lock(ctx)
	if err != nil {
		return nil, err
	}
	if refused := state.Admit(w.append.Stream, w.append.Expected); refused != nil {
		if stored, err := w.repeated(ctx); stored != nil || err != nil {
			_, _ = w.conn.Exec(ctx, "rollback")
			return stored, err
		}
		return nil, refused
	}
	return w.store(ctx, state, there)
}

// lock begins the transaction and returns the state of the stream, which is
// locked, and if it has a row.
func (w *write) lock(ctx context.Context) (state eventstore.StreamState, there bool, err error) {
	var batch pgx.Batch
	batch.Queue("begin isolation level read committed read write")
	// Neither lock gives the transaction a number. It gets one by its first write:
	// after the lock of the writers, see horizonSQL, and after that of the stream,
	// so that the positions in a stream have the order of its versions. A lock of
	// the stream's row would do it the other way round.
	batch.Queue(w.b.sql.lock, w.b.key, lockKey("stream", w.b.schema+"\x00"+w.append.Stream))
	batch.Queue(w.b.sql.state, w.append.Stream).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&state.Version, &state.Hidden, &state.Tombstoned)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		there = err == nil
		return err
	})
	err = w.conn.SendBatch(ctx, &batch).Close()
	return state, there, err
}

// store inserts the events after the state and commits.
func (w *write) store(ctx context.Context, state eventstore.StreamState, there bool) ([]eventstore.Event, error) {
	events := slices.Clone(w.append.Events)
	next := state.Next(w.append.Stream, events)
	rows, err := newColumns(events)
	if err != nil {
		return nil, err
	}
	set := w.b.sql.update
	if !there {
		set = w.b.sql.create
	}
	var tx int64
	var batch pgx.Batch
	batch.Queue(set, w.append.Stream, next.Version, next.Hidden, next.Tombstoned).
		QueryRow(func(row pgx.Row) error { return row.Scan(&tx) })
	batch.Queue(
		w.b.sql.insert, w.append.Stream, state.Version,
		rows.ids, rows.types, rows.schemas, rows.data, rows.metadata, rows.times,
	)
	batch.Queue("commit")
	w.sent = true
	if err := w.conn.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, err
	}
	for i := range events {
		events[i].Position = position(tx, int64(i+1))
	}
	return events, nil
}

// repeated returns what is stored when the append is a retry, nil when none of
// its IDs is taken.
func (w *write) repeated(ctx context.Context) ([]eventstore.Event, error) {
	ids := make([]string, len(w.append.Events))
	for i, e := range w.append.Events {
		ids[i] = e.ID
	}
	rows, err := w.conn.Query(ctx, w.b.sql.byIDs, ids)
	if err != nil {
		return nil, err
	}
	stored, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (eventstore.Event, error) { return scanEvent(row) })
	if err != nil {
		return nil, err
	}
	return eventstore.Repeated(w.append, stored)
}

// columnsOf are events as one array for each column.
type columnsOf struct {
	ids, types []string
	schemas    []int32
	data       [][]byte
	metadata   []*string
	times      []time.Time
}

func newColumns(events []eventstore.Event) (columnsOf, error) {
	n := len(events)
	c := columnsOf{
		make([]string, n), make([]string, n), make([]int32, n),
		make([][]byte, n), make([]*string, n), make([]time.Time, n),
	}
	for i, e := range events {
		c.ids[i], c.types[i], c.data[i], c.times[i] = e.ID, e.Type, e.Data, e.Time
		c.schemas[i] = int32(e.Schema) //nolint:gosec // checked by the store to fit
		if e.Metadata.IsZero() {
			continue
		}
		text, err := json.Marshal(e.Metadata)
		if err != nil {
			return c, err
		}
		s := string(text)
		c.metadata[i] = &s
	}
	return c, nil
}
