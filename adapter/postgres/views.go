package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/eventstore"
)

type txKey struct{}

// inTx is in the context of a function of UpdateViews and ReadViews.
type inTx struct {
	b        *Backend
	conn     *pgxpool.Conn
	tx       pgx.Tx
	readOnly bool
}

// TxFrom returns the transaction in the context of a projection's Apply, for SQL
// of its own, and if there is one. It is valid until Apply returns, and used by
// one goroutine. An error of one of its statements must be returned by Apply. It
// cannot be committed or rolled back; Begin makes a part that can.
func TxFrom(ctx context.Context) (pgx.Tx, bool) {
	in, ok := ctx.Value(txKey{}).(inTx)
	return in.tx, ok && !in.readOnly
}

// within returns the transaction of this backend that the context is of.
func (b *Backend) within(ctx context.Context) (inTx, bool) {
	in, ok := ctx.Value(txKey{}).(inTx)
	return in, ok && in.b == b
}

// An openTx is a transaction that somebody else ends.
type openTx struct{ pgx.Tx }

var errNotYours = errors.New("postgres: the transaction of a projection ends by itself")

func (openTx) Commit(context.Context) error   { return errNotYours }
func (openTx) Rollback(context.Context) error { return errNotYours }

var errNested = &eventstore.InvalidError{Problem: "a write to the store within a transaction of views"}

// UpdateViews implements [eventstore.Views]. The locks are advisory ones of the
// transaction. Where ctx has a deadline, the server ends a transaction that does
// nothing for as long as that is away.
func (b *Backend) UpdateViews(
	ctx context.Context, locks []string, f func(ctx context.Context, tx eventstore.ViewTx) error,
) error {
	if _, nested := b.within(ctx); nested {
		return errNested
	}
	return b.transact(ctx, readCommitted, func(ctx context.Context, in inTx) error {
		if err := b.lockViews(ctx, in.tx, locks); err != nil {
			return err
		}
		return f(ctx, viewTx{b, in.tx})
	})
}

// transact runs f in a transaction, and again where the connection is lost or
// the server asks for it. An error of f alone is returned as it is.
func (b *Backend) transact(
	ctx context.Context, opts pgx.TxOptions, f func(ctx context.Context, in inTx) error,
) error {
	var own error
	err := b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		own = nil
		tx, err := conn.BeginTx(ctx, opts)
		if err != nil {
			return err
		}
		in := inTx{b: b, conn: conn, tx: openTx{tx}, readOnly: opts.AccessMode == pgx.ReadOnly}
		if err := f(context.WithValue(ctx, txKey{}, in), in); err != nil {
			rolling, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = tx.Rollback(rolling) // on failure the pool drops the connection
			if !conn.Conn().IsClosed() && !transient(err) {
				own = err
			}
			return err
		}
		return tx.Commit(ctx)
	})
	if own != nil {
		return own
	}
	return err
}

func (b *Backend) lockViews(ctx context.Context, tx pgx.Tx, names []string) error {
	var batch pgx.Batch
	if deadline, ok := ctx.Deadline(); ok {
		left := max(time.Until(deadline).Milliseconds(), 1)
		batch.Queue(`SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, strconv.FormatInt(left, 10))
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		batch.Queue(`SELECT pg_advisory_xact_lock($1)`, lockKey("views", b.schema+"\x00"+name))
	}
	return tx.SendBatch(ctx, &batch).Close()
}

// ReadViews implements [eventstore.Views].
func (b *Backend) ReadViews(ctx context.Context, f func(ctx context.Context, tx eventstore.ViewTx) error) error {
	if in, nested := b.within(ctx); nested { // it may have the last connection
		return f(ctx, viewReader{viewTx{b, in.tx}})
	}
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return b.transact(ctx, opts, func(ctx context.Context, in inTx) error {
		return f(ctx, viewReader{viewTx{b, in.tx}})
	})
}

// A viewTx reads and writes entries in a transaction.
type viewTx struct {
	b  *Backend
	tx pgx.Tx
}

func (v viewTx) Get(ctx context.Context, space, key string) (value []byte, ok bool, err error) {
	err = v.tx.QueryRow(ctx, v.b.sql.getView, space, key).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return value, err == nil, refused(err)
}

func (v viewTx) Scan(ctx context.Context, space, prefix, behind string, limit int) ([]eventstore.ViewEntry, error) {
	end, ok := after(prefix)
	var to *string
	if ok {
		to = &end
	}
	rows, err := v.tx.Query(ctx, v.b.sql.scanViews, space, behind, prefix, to, limit)
	if err != nil {
		return nil, refused(err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e eventstore.ViewEntry, err error) {
		err = row.Scan(&e.Key, &e.Value)
		return e, err
	})
	return entries, refused(err)
}

func (v viewTx) Put(ctx context.Context, space string, entries []eventstore.ViewEntry) error {
	var keys, values, drop []string
	for _, e := range entries {
		if e.Value == nil {
			drop = append(drop, e.Key)
			continue
		}
		keys, values = append(keys, e.Key), append(values, string(e.Value))
	}
	var batch pgx.Batch
	if len(keys) > 0 {
		batch.Queue(v.b.sql.putViews, space, keys, values)
	}
	if len(drop) > 0 {
		batch.Queue(v.b.sql.dropViews, space, drop)
	}
	return refused(v.tx.SendBatch(ctx, &batch).Close())
}

// refused makes the server's refusal of a statement one that callers may see.
// All else is for [Backend.do] to judge, which may try again.
func refused(err error) error {
	if _, ok := errors.AsType[*pgconn.PgError](err); !ok || transient(err) {
		return err
	}
	return public(err)
}

// A viewReader is a viewTx that writes nothing.
type viewReader struct{ viewTx }

func (viewReader) Put(context.Context, string, []eventstore.ViewEntry) error {
	return &eventstore.InvalidError{Problem: "a view is written by its projection only"}
}
