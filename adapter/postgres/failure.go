package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/eventstore"
)

// ErrUnknownOutcome is in the chain of the error of an append whose connection
// was lost at its commit, where the server did not come back in time to say what
// became of it. The events are stored, all of them, or none is. Repeat the append
// with the same IDs.
var ErrUnknownOutcome = errors.New("postgres: the append may be stored or not")

// Codes of PostgreSQL that say more than that something failed.
const (
	codeUniqueViolation = "23505"
	codeReadOnly        = "25006" // a standby, in the middle of a failover
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeDiskFull        = "53100"
	codeConnections     = "53300"
	classLimit          = "54"  // such as a name too long for an index
	classIntervention   = "57P" // restarts, and connections cut by an administrator
)

// A lostError is a failure of the connection: of an attempt to get one, or of
// the one that was in use.
type lostError struct{ cause error }

func (e *lostError) Error() string { return "postgres: connection lost: " + e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// do runs an operation on a connection, and again while the server is away.
// What is run twice must mean the same twice.
func (b *Backend) do(ctx context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	if err := b.begin(); err != nil {
		return err
	}
	defer b.running.Done()
	deadline := time.Now().Add(b.patience)
	_, nested := b.within(ctx) // whose transaction is over then
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := b.once(ctx, deadline, f)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !transient(err) || nested || time.Now().Add(wait).After(deadline):
			return public(err)
		}
		retry := time.NewTimer(wait)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return ctx.Err()
		case <-b.closing:
			retry.Stop()
			return eventstore.ErrClosed
		}
	}
}

// once runs an operation on a connection of the pool, or on that of the
// transaction that ctx is of.
func (b *Backend) once(ctx context.Context, deadline time.Time, f func(context.Context, *pgxpool.Conn) error) error {
	if in, ok := b.within(ctx); ok {
		return f(ctx, in.conn)
	}
	acquiring := ctx
	if b.patience > 0 {
		var cancel context.CancelFunc
		acquiring, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	conn, err := b.pool.Acquire(acquiring)
	if err != nil {
		return &lostError{err}
	}
	defer conn.Release()
	err = f(ctx, conn)
	if err != nil && conn.Conn().IsClosed() {
		return &lostError{err}
	}
	return err
}

// transient reports whether the same may succeed on another connection or later.
func transient(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case codeReadOnly, codeSerialization, codeDeadlock, codeConnections:
			return true
		}
		return strings.HasPrefix(pg.Code, classIntervention)
	}
	_, lost := errors.AsType[*lostError](err)
	return lost
}

// public returns an error whose text tells nothing of the server or the schema.
func public(err error) error {
	if ours(err) {
		return err
	}
	_, lost := errors.AsType[*lostError](err)
	if lost || transient(err) {
		return mcperrors.Wrap(mcperrors.Unavailable, "the event store is not available, retry shortly", err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pg.Code == codeDiskFull:
			return eventstore.ErrNoSpace
		case strings.HasPrefix(pg.Code, classLimit):
			return &eventstore.InvalidError{Problem: "a name or an append that is too large for the database"}
		}
	}
	return mcperrors.Wrap(mcperrors.Internal, "", err)
}

// ours reports whether an error is one of the contract.
func ours(err error) bool {
	_, coded := errors.AsType[*mcperrors.Error](err)
	_, conflict := errors.AsType[*eventstore.ConflictError](err)
	_, duplicate := errors.AsType[*eventstore.DuplicateError](err)
	_, invalid := errors.AsType[*eventstore.InvalidError](err)
	return coded || conflict || duplicate || invalid ||
		errors.Is(err, eventstore.ErrTombstoned) || errors.Is(err, eventstore.ErrClosed)
}

// violates reports whether err is a value that is there already.
func violates(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == codeUniqueViolation
}
