package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/trestle-mcp/trestle/eventstore"
)

// maxGroup bounds the requests of one transaction, so that the first of them
// does not wait for all the world.
const maxGroup = 256

// A writer owns the one connection that writes. Its goroutine takes all requests
// that wait and commits them together.
type writer struct {
	b    *Backend
	db   *sql.DB
	conn *sql.Conn
	tx   *tx

	mu       sync.RWMutex // guards closing against sends
	closed   bool
	requests chan *request
	wg       sync.WaitGroup

	broken  error                 // set and read by the goroutine only
	refuses atomic.Pointer[error] // the same, for everybody
	// commit is replaced by tests that need a disk that fails.
	commit func() error
}

// A request is a part of a transaction. It is run again, alone, when the
// transaction that it shared with others failed.
type request struct {
	run  func(*tx) error
	err  error
	done chan struct{}
}

func openWriter(ctx context.Context, b *Backend) (*writer, error) {
	db, err := sql.Open("sqlite", b.dsn("journal_mode(wal)", "synchronous(full)", "temp_store(memory)", "wal_autocheckpoint(4000)"))
	if err != nil {
		return nil, err
	}
	w := &writer{b: b, db: db, requests: make(chan *request, maxGroup)}
	w.commit = func() error { return w.tx.exec("COMMIT") }
	if err := w.setUp(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) setUp(ctx context.Context) error {
	w.db.SetMaxOpenConns(1)
	var err error
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return err
	}
	var mode string
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the journal mode is %s: the file system cannot do without a shared memory file", mode)
	}
	// A canceled context would cost a goroutine for each statement, and a write
	// that has begun is finished.
	w.tx = &tx{ctx: context.WithoutCancel(ctx), conn: w.conn, stmts: make(map[string]*sql.Stmt)}
	return w.create()
}

// create makes the tables that the file lacks. Two processes may try at once.
func (w *writer) create() error {
	if err := w.tx.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	version := 0
	err := w.conn.QueryRowContext(w.tx.ctx, "PRAGMA user_version").Scan(&version)
	if err == nil && version < schemaVersion {
		for _, s := range schema {
			if s.since > version {
				err = errors.Join(err, w.tx.exec(s.sql))
			}
		}
		err = errors.Join(err,
			w.tx.exec(fmt.Sprintf("PRAGMA application_id = %d", applicationID)),
			w.tx.exec(fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)))
	}
	if err != nil {
		return errors.Join(err, w.tx.exec("ROLLBACK"))
	}
	return w.tx.exec("COMMIT")
}

func (w *writer) start() { w.wg.Go(w.loop) }

// do has run executed in a transaction and returns when that is durable. When
// ctx ends before, run may still be executed.
func (w *writer) do(ctx context.Context, run func(*tx) error) error {
	r, err := w.begin(ctx, run)
	if err != nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// doWhole is do for a run that belongs to the caller: it has ended when doWhole
// returns.
func (w *writer) doWhole(ctx context.Context, run func(*tx) error) error {
	r, err := w.begin(ctx, run)
	if err != nil {
		return err
	}
	<-r.done
	return r.err
}

func (w *writer) begin(ctx context.Context, run func(*tx) error) (*request, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.b.within(ctx) { // the writer would wait for itself
		return nil, &eventstore.InvalidError{Problem: "a write to the store within a transaction of views"}
	}
	r := &request{run: run, done: make(chan struct{})}
	return r, w.send(ctx, r)
}

func (w *writer) send(ctx context.Context, r *request) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return eventstore.ErrClosed
	}
	select {
	case w.requests <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) loop() {
	group := make([]*request, 0, maxGroup)
	for r := range w.requests {
		group = append(group[:0], r)
	more:
		for len(group) < maxGroup {
			select {
			case r, ok := <-w.requests:
				if !ok {
					break more
				}
				group = append(group, r)
			default:
				break more
			}
		}
		w.serve(group)
		clear(group)
	}
}

// serve answers all requests of a group. When their common transaction fails
// before its commit, which leaves nothing behind, each gets one of its own: a
// large append that finds no space does not stop a small one.
func (w *writer) serve(group []*request) {
	if w.broken != nil {
		answer(group, w.broken)
		return
	}
	if err := w.tx.begin(); err != nil { // another process writes, and each would wait for it
		answer(group, w.b.explain(err))
		return
	}
	err := w.transact(group)
	switch {
	case err == nil:
		answer(group, nil)
	case w.broken != nil:
		answer(group, w.broken)
	case len(group) == 1:
		answer(group, w.b.explain(err))
	default:
		for i := range group {
			w.serve(group[i : i+1])
		}
	}
}

// answer ends requests with the error of their transaction, or, without one,
// with their own.
func answer(group []*request, err error) {
	for _, r := range group {
		if err != nil {
			r.err = err
		}
		close(r.done)
	}
}

// transact runs a group in the transaction that has begun. After an error
// nothing is stored, or the writer is broken.
func (w *writer) transact(group []*request) error {
	for _, r := range group {
		err := w.tx.request(r)
		if err != nil {
			return w.rollback(err)
		}
	}
	if err := w.commit(); err != nil {
		switch code(err) {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY:
		default:
			w.fail(err)
		}
		return w.rollback(err)
	}
	if w.tx.last > w.tx.first {
		w.b.acknowledged(w.tx.last)
	}
	return nil
}

// rollback returns cause. SQLite may have rolled back by itself.
func (w *writer) rollback(cause error) error {
	_ = w.tx.exec("ROLLBACK")
	if code(cause) == sqlite3.SQLITE_IOERR && w.broken == nil {
		w.fail(cause)
	}
	return cause
}

// fail ends all writing.
func (w *writer) fail(cause error) {
	err := fmt.Errorf("%w: %w", eventstore.ErrWritesClosed, w.b.explain(cause))
	w.broken = err
	w.refuses.Store(&err)
}

func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.requests)
	}
	w.mu.Unlock()
	w.wg.Wait()
	var errs []error
	if w.tx != nil {
		errs = append(errs, w.tx.close())
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(append(errs, w.db.Close())...)
}
