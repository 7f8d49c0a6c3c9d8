package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/trestle-mcp/trestle/eventstore"
)

// window is how many positions one page looks at, at most: a filter that selects
// nothing does not keep the file's log from being moved for long.
const window = 50_000

// ReadAll implements [eventstore.Backend].
func (b *Backend) ReadAll(ctx context.Context, q eventstore.AllQuery) (eventstore.Page, error) {
	if err := b.enter(ctx); err != nil {
		return eventstore.Page{}, err
	}
	defer b.mu.RUnlock()
	page, err := b.readAll(ctx, q)
	if err != nil {
		return eventstore.Page{}, b.readError(ctx, err)
	}
	return page, nil
}

func (b *Backend) readAll(ctx context.Context, q eventstore.AllQuery) (eventstore.Page, error) {
	_, minor := q.After.Parts()
	after := int64(min(minor, 1<<62))
	// The head is read first: all up to it is there and stays.
	var head int64
	if err := b.read.QueryRowContext(ctx, headQuery).Scan(&head); err != nil {
		return eventstore.Page{}, err
	}
	to := min(after+window, head)
	if to <= after {
		return eventstore.Page{Next: q.After, End: true}, nil
	}
	p, err := b.page(ctx, q.Limit, allQuery(after, to, q.Filter))
	if err != nil {
		return p, err
	}
	whole := len(q.Filter.Types) == 0 && q.Filter.StreamPrefix == ""
	n := int64(len(p.Events))
	for i, e := range p.Events {
		if want := after + int64(i) + 1; whole && e.Position != position(want) {
			return p, b.corrupt("position %d is missing", want)
		}
	}
	switch {
	case !p.End:
		p.Next = p.Events[n-1].Position
	case whole && after+n != to:
		return p, b.corrupt("position %d is missing", after+n+1)
	default:
		p.Next, p.End = position(to), to == head
	}
	return p, nil
}

const headQuery = "SELECT coalesce(max(position), 0) FROM events"

func allQuery(after, to int64, f eventstore.Filter) eventQuery {
	q := eventQuery{
		from: "events", where: "position > ? AND position <= ?", whereArgs: []any{after, to}, order: "position",
	}
	var conditions []string
	if n := len(f.Types); n > 0 {
		conditions = append(conditions, "type IN (?"+strings.Repeat(", ?", n-1)+")")
		for _, t := range f.Types {
			q.filterArgs = append(q.filterArgs, t)
		}
	}
	if f.StreamPrefix != "" {
		conditions = append(conditions, "substr(CAST(stream AS BLOB), 1, ?) = ?")
		q.filterArgs = append(q.filterArgs, int64(len(f.StreamPrefix)), []byte(f.StreamPrefix))
	}
	if q.filter = strings.Join(conditions, " AND "); q.filter == "" {
		q.most = to - after
	}
	return q
}

// ReadStream implements [eventstore.Backend].
func (b *Backend) ReadStream(ctx context.Context, q eventstore.StreamQuery) (eventstore.Page, error) {
	if err := b.enter(ctx); err != nil {
		return eventstore.Page{}, err
	}
	defer b.mu.RUnlock()
	page, err := b.readStream(ctx, q)
	if err != nil {
		return eventstore.Page{}, b.readError(ctx, err)
	}
	return page, nil
}

func (b *Backend) readStream(ctx context.Context, q eventstore.StreamQuery) (eventstore.Page, error) {
	state, err := scanState(b.read.QueryRowContext(ctx, stateQuery, q.Stream, q.Stream, q.Stream))
	if err != nil {
		return eventstore.Page{}, err
	}
	if state.Tombstoned {
		return eventstore.Page{}, state.Admit(q.Stream, eventstore.Any)
	}
	from, to, step, order := max(q.From, state.Hidden+1), state.Version, int64(1), "ASC"
	if q.Backward {
		from, to, step, order = q.From, state.Hidden+1, -1, "DESC"
		if from == 0 || from > state.Version {
			from = state.Version
		}
	}
	if (to-from)*step < 0 {
		return eventstore.Page{End: true}, nil
	}
	p, err := b.page(ctx, q.Limit, eventQuery{
		from: "events INDEXED BY events_stream", where: "stream = ? AND version BETWEEN ? AND ?",
		whereArgs: []any{q.Stream, min(from, to), max(from, to)}, order: "version " + order,
		most: max(from, to) - min(from, to) + 1,
	})
	if err != nil {
		return p, err
	}
	for i, e := range p.Events {
		if want := from + int64(i)*step; e.Version != want || e.Stream != q.Stream {
			return p, b.corrupt("version %d of stream %q is missing", want, q.Stream)
		}
	}
	if missing := from + int64(len(p.Events))*step; p.End && (to-missing)*step >= 0 {
		return p, b.corrupt("version %d of stream %q is missing", missing, q.Stream)
	}
	return p, nil
}

// stateQuery takes the stream three times.
const stateQuery = `SELECT
	coalesce((SELECT max(version) FROM events INDEXED BY events_stream WHERE stream = ?), 0),
	coalesce((SELECT max(version) FROM events INDEXED BY events_ends
		WHERE stream = ? AND type IN ('$deleted', '$tombstone')), 0),
	EXISTS (SELECT 1 FROM events INDEXED BY events_ends
		WHERE stream = ? AND type IN ('$deleted', '$tombstone') AND type = '$tombstone')`

func scanState(r *sql.Row) (s eventstore.StreamState, err error) {
	err = r.Scan(&s.Version, &s.Hidden, &s.Tombstoned)
	return s, err
}

// page runs a query until the limit is reached and there is one event more.
func (b *Backend) page(ctx context.Context, limit eventstore.PageLimit, q eventQuery) (eventstore.Page, error) {
	p := eventstore.Page{End: true, Events: make([]eventstore.Event, 0, min(int64(limit.Events), q.most))}
	conn, err := b.read.Conn(ctx)
	if err != nil {
		return p, err
	}
	var d decoder
	size := 0
	err = query(ctx, conn, q, func(r *row) (bool, error) {
		if n := len(p.Events); n == limit.Events || n > 0 && size >= limit.Bytes {
			p.End = false
			return false, nil
		}
		e, err := d.event(r)
		if err != nil {
			return false, b.corrupt("event at position %d: %w", r.position, err)
		}
		size += len(e.Data)
		p.Events = append(p.Events, e)
		return true, nil
	})
	return p, errors.Join(err, conn.Close())
}

// SaveSnapshot implements [eventstore.Snapshots]. It shares a transaction with appends.
func (b *Backend) SaveSnapshot(ctx context.Context, s eventstore.Snapshot) error {
	return b.writer.do(ctx, func(tx *tx) error { return tx.saveSnapshot(s) })
}

// LoadSnapshot implements [eventstore.Snapshots].
func (b *Backend) LoadSnapshot(ctx context.Context, stream, kind string) (eventstore.Snapshot, bool, error) {
	if err := b.enter(ctx); err != nil {
		return eventstore.Snapshot{}, false, err
	}
	defer b.mu.RUnlock()
	s := eventstore.Snapshot{Stream: stream, Kind: kind}
	var sum []byte
	err := b.read.QueryRowContext(
		ctx,
		"SELECT schema, version, event_id, state, sum FROM snapshots WHERE stream = ? AND kind = ?", stream, kind,
	).Scan(&s.Schema, &s.Version, &s.EventID, &s.State, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return eventstore.Snapshot{}, false, nil
	}
	if err != nil {
		return eventstore.Snapshot{}, false, b.readError(ctx, err)
	}
	if copy(s.Sum[:], sum) != len(s.Sum) {
		return eventstore.Snapshot{}, false, b.corrupt("snapshot of stream %q", fmt.Sprintf("%.64s", stream))
	}
	return s, true, nil
}
