package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/trestle-mcp/trestle/eventstore"
)

// A Tx is the transaction in which a projection's event is applied, for SQL of
// its own; the tool sqlc calls the interface DBTX. It is valid until Apply
// returns, and used by one goroutine. A statement that has begun is finished,
// whatever becomes of its context. Transactions are not for it to end, and the
// tables of this package not to be written to.
type Tx struct {
	tx     *tx
	closed bool
}

type txKey struct{}

// TxFrom returns the transaction in the context of an Apply, and if there is one.
func TxFrom(ctx context.Context) (*Tx, bool) {
	in, ok := ctx.Value(txKey{}).(inTx)
	return in.tx, ok
}

// inTx is in the context of a function of UpdateViews.
type inTx struct {
	b  *Backend
	tx *Tx
}

func (b *Backend) within(ctx context.Context) bool {
	in, ok := ctx.Value(txKey{}).(inTx)
	return ok && in.b == b
}

// context returns the one of the writer, once it is sure that it may be used.
func (t *Tx) context(ctx context.Context) (context.Context, error) {
	if t.closed {
		return nil, sql.ErrTxDone
	}
	return t.tx.ctx, ctx.Err()
}

// ExecContext executes a statement that returns no rows.
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx, err := t.context(ctx)
	if err != nil {
		return nil, err
	}
	res, err := t.tx.conn.ExecContext(ctx, query, args...)
	return res, t.tx.note(err)
}

// QueryContext executes a query. Close the rows before the next statement.
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, err := t.context(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.tx.conn.QueryContext(ctx, query, args...)
	return rows, t.tx.note(err)
}

// QueryRowContext executes a query for one row.
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	within, err := t.context(ctx)
	if err != nil { // a row with an error cannot be made otherwise
		ended, cancel := context.WithCancel(ctx)
		cancel()
		return t.tx.conn.QueryRowContext(ended, query, args...)
	}
	row := t.tx.conn.QueryRowContext(within, query, args...)
	_ = t.tx.note(row.Err())
	return row
}

// PrepareContext prepares a statement, to be closed before Apply returns.
func (t *Tx) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	ctx, err := t.context(ctx)
	if err != nil {
		return nil, err
	}
	stmt, err := t.tx.conn.PrepareContext(ctx, query)
	return stmt, t.tx.note(err)
}

// UpdateViews implements [eventstore.Views]. It runs on the goroutine of the
// writer, in the transaction of the appends that came at the same time: they
// wait for f, and share its commit. All transactions exclude each other, so the
// locks have nothing to do.
func (b *Backend) UpdateViews(
	ctx context.Context, _ []string, f func(ctx context.Context, tx eventstore.ViewTx) error,
) error {
	return b.writer.doWhole(ctx, func(t *tx) error {
		if err := ctx.Err(); err != nil {
			return refusal{err}
		}
		if err := t.exec("SAVEPOINT views"); err != nil {
			return err
		}
		within := &Tx{tx: t}
		t.views = nil
		err := f(context.WithValue(ctx, txKey{}, inTx{b, within}), viewTx{t})
		within.closed = true
		switch {
		case t.views != nil: // whatever f made of it; err may come from a file that is no affair of ours
			return t.views
		case err == nil:
			return t.exec("RELEASE views")
		}
		if undo := errors.Join(t.exec("ROLLBACK TO views"), t.exec("RELEASE views")); undo != nil {
			return errors.Join(err, undo)
		}
		return refusal{err}
	})
}

// note looks at the error of a statement in UpdateViews: some are nobody's fault,
// and perhaps the end of the whole transaction.
func (t *tx) note(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY:
		t.views = err
	}
	return err
}

// A viewTx reads and writes entries on the writer's connection.
type viewTx struct{ t *tx }

const (
	viewGet  = "SELECT value FROM views WHERE space = ? AND key = ?"
	viewScan = "SELECT key, value FROM views WHERE space = ? AND key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
	viewDrop = "DELETE FROM views WHERE space = ? AND key = ?"
)

func (v viewTx) Get(ctx context.Context, space, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	value, ok, err := scanValue(v.t.row(viewGet, space, key))
	return value, ok, v.t.note(err)
}

func scanValue(row *sql.Row) (value []byte, ok bool, err error) {
	err = row.Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return value, err == nil, err
}

func (v viewTx) Scan(ctx context.Context, space, prefix, after string, limit int) ([]eventstore.ViewEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stmt, err := v.t.stmt(viewScan)
	if err != nil {
		return nil, v.t.note(err)
	}
	rows, err := stmt.QueryContext(v.t.ctx, scanArgs(space, prefix, after, limit)...)
	entries, err := scanEntries(rows, err)
	return entries, v.t.note(err)
}

// scanArgs has an end of the prefix that is no text: no byte of UTF-8 is 0xFF.
func scanArgs(space, prefix, after string, limit int) []any {
	return []any{space, after, prefix, prefix + "\xff", limit}
}

func scanEntries(rows *sql.Rows, err error) (entries []eventstore.ViewEntry, _ error) {
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var e eventstore.ViewEntry
		if err := rows.Scan(&e.Key, &e.Value); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		entries = append(entries, e)
	}
	return entries, errors.Join(rows.Err(), rows.Close())
}

func (v viewTx) Put(ctx context.Context, space string, entries []eventstore.ViewEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := v.t
	t.args = t.args[:0]
	for _, e := range entries {
		if e.Value == nil {
			if err := t.run(viewDrop, space, e.Key); err != nil {
				return err
			}
			continue
		}
		if t.args = append(t.args, space, e.Key, string(e.Value)); len(t.args) == 3*chunk {
			if err := t.run(viewPuts[chunk], t.args...); err != nil {
				return err
			}
			t.args = t.args[:0]
		}
	}
	rest := t.args
	for len(rest) > 0 {
		if err := t.run(viewPuts[1], rest[:3]...); err != nil {
			return err
		}
		rest = rest[3:]
	}
	clear(t.args)
	return nil
}

var viewPuts = map[int]string{1: viewPutOf(1), chunk: viewPutOf(chunk)}

func viewPutOf(n int) string {
	return "INSERT INTO views (space, key, value) VALUES (?, ?, ?)" + strings.Repeat(", (?, ?, ?)", n-1) +
		" ON CONFLICT (space, key) DO UPDATE SET value = excluded.value"
}

type readerKey struct{}

// ReadViews implements [eventstore.Views]. It has connections of its own, so
// that f can read otherwise when all who read views do.
func (b *Backend) ReadViews(ctx context.Context, f func(ctx context.Context, tx eventstore.ViewTx) error) error {
	if r, ok := ctx.Value(readerKey{}).(*viewReader); ok && r.b == b {
		return f(ctx, r) // within another: there may be no connection left
	}
	if err := b.enter(ctx); err != nil {
		return err
	}
	// Not under the lock: f may read otherwise, while Close waits.
	b.viewing.Add(1)
	b.mu.RUnlock()
	defer b.viewing.Done()
	tx, err := b.views.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return b.readError(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // it has nothing to lose; after a panic, too
	r := &viewReader{b: b, tx: tx}
	return f(context.WithValue(ctx, readerKey{}, r), r)
}

// A viewReader reads entries of one moment.
type viewReader struct {
	b  *Backend
	tx *sql.Tx
}

func (v *viewReader) Get(ctx context.Context, space, key string) ([]byte, bool, error) {
	value, ok, err := scanValue(v.tx.QueryRowContext(ctx, viewGet, space, key))
	if err != nil {
		err = v.b.readError(ctx, err)
	}
	return value, ok, err
}

func (v *viewReader) Scan(ctx context.Context, space, prefix, after string, limit int) ([]eventstore.ViewEntry, error) {
	rows, err := v.tx.QueryContext(ctx, viewScan, scanArgs(space, prefix, after, limit)...)
	entries, err := scanEntries(rows, err)
	if err != nil {
		err = v.b.readError(ctx, err)
	}
	return entries, err
}

func (*viewReader) Put(context.Context, string, []eventstore.ViewEntry) error {
	return &eventstore.InvalidError{Problem: "a view is written by its projection only"}
}

// run executes a prepared statement.
func (t *tx) run(query string, args ...any) error {
	stmt, err := t.stmt(query)
	if err == nil {
		_, err = stmt.ExecContext(t.ctx, args...)
	}
	if err != nil {
		return t.note(fmt.Errorf("views: %w", err))
	}
	return nil
}
