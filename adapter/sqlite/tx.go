package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/trestle-mcp/trestle/eventstore"
)

// tx is the transaction of the writer. It belongs to the writer's goroutine.
type tx struct {
	ctx   context.Context // never canceled; see writer.setUp
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	first int64 // the position at its begin
	last  int64 // the last position in it
	buf   []byte
	args  []any
	views error // of a statement in UpdateViews, if that may be the end of the whole transaction
}

// refusal wraps the error of a request that wrote nothing, and leaves the
// transaction to the others.
type refusal struct{ error }

// request runs one request. Its own error is kept in it; the error of the
// transaction is returned.
func (t *tx) request(r *request) error {
	r.err = nil
	err := r.run(t)
	if refused, ok := err.(refusal); ok { //nolint:errorlint // never wrapped
		r.err = refused.error
		return nil
	}
	return err
}

func (t *tx) begin() error {
	if err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := t.row(headQuery).Scan(&t.last)
	if err != nil {
		return errors.Join(err, t.exec("ROLLBACK"))
	}
	t.first = t.last
	return nil
}

func (t *tx) append(a eventstore.Append) ([]eventstore.Event, error) {
	state, err := scanState(t.row(stateQuery, a.Stream, a.Stream, a.Stream))
	if err != nil {
		return nil, err
	}
	if err := state.Admit(a.Stream, a.Expected); err != nil {
		return t.repeated(a, refusal{err})
	}
	before := t.last
	if err := t.exec("SAVEPOINT append"); err != nil {
		return nil, err
	}
	state.Next(a.Stream, a.Events)
	for i := range a.Events {
		t.last++
		a.Events[i].Position = position(t.last)
	}
	if err := t.insert(a.Events); err != nil {
		if code(err) != sqlite3.SQLITE_CONSTRAINT {
			return nil, err
		}
		t.last = before
		if undo := errors.Join(t.exec("ROLLBACK TO append"), t.exec("RELEASE append")); undo != nil {
			return nil, undo
		}
		return t.repeated(a, err)
	}
	return a.Events, t.exec("RELEASE append")
}

// repeated returns the stored events if a is a retry, and otherwise the error.
func (t *tx) repeated(a eventstore.Append, otherwise error) ([]eventstore.Event, error) {
	var stored []eventstore.Event
	for _, e := range a.Events {
		s, ok, err := t.byID(e.ID)
		if err != nil {
			return nil, err
		}
		if ok {
			stored = append(stored, s)
		}
	}
	repeated, err := eventstore.Repeated(a, stored)
	switch {
	case err != nil:
		return nil, refusal{err}
	case repeated != nil:
		return repeated, nil
	default:
		return nil, otherwise
	}
}

func (t *tx) byID(id string) (e eventstore.Event, ok bool, err error) {
	q := eventQuery{from: "events", where: "id = ?", whereArgs: []any{id}, order: "id"}
	err = query(t.ctx, t.conn, q, func(r *row) (bool, error) {
		ok = true
		e, err = new(decoder).event(r)
		return false, err
	})
	return e, ok, err
}

// chunk is how many events one statement inserts, while there are as many.
const chunk = 32

func (t *tx) insert(events []eventstore.Event) error {
	for len(events) > 0 {
		n := 1
		if len(events) >= chunk {
			n = chunk
		}
		t.args = t.args[:0]
		for _, e := range events[:n] {
			var err error
			if t.args, t.buf, err = values(t.args, e, t.buf); err != nil {
				return err
			}
		}
		stmt, err := t.stmt(inserts[n])
		if err != nil {
			return err
		}
		_, err = stmt.ExecContext(t.ctx, t.args...)
		clear(t.args)
		if err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

var inserts = map[int]string{1: insertOf(1), chunk: insertOf(chunk)}

func insertOf(n int) string {
	const one = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	return "INSERT INTO events (" + columns + ") VALUES " + one + strings.Repeat(", "+one, n-1)
}

func (t *tx) saveSnapshot(s eventstore.Snapshot) error {
	if s.State == nil {
		s.State = []byte{}
	}
	stmt, err := t.stmt("INSERT OR REPLACE INTO snapshots (stream, kind, schema, version, event_id, state, sum)" +
		" VALUES (?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(t.ctx, s.Stream, s.Kind, s.Schema, s.Version, s.EventID, s.State, s.Sum[:])
	return err
}

// stmt prepares a statement once.
func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.stmts[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(t.ctx, query)
	if err == nil {
		t.stmts[query] = s
	}
	return s, err
}

func (t *tx) exec(query string) error {
	stmt, err := t.stmt(query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(t.ctx)
	return err
}

func (t *tx) row(query string, args ...any) *sql.Row {
	stmt, err := t.stmt(query)
	if err != nil { // the same error again, in the form that is asked for
		return t.conn.QueryRowContext(t.ctx, query, args...)
	}
	return stmt.QueryRowContext(t.ctx, args...)
}

func (t *tx) close() error {
	var errs []error
	for _, s := range t.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
