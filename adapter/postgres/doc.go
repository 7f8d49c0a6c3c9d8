// Package postgres keeps the events of package eventstore in PostgreSQL 13 or
// later, for any number of processes at once.
//
// # Order
//
// The position of an event is the number of its transaction and its place in it.
// Transactions do not commit in the order of their numbers, so readers of all
// streams see only what is below a horizon: the oldest transaction of a writer of
// this store that is still open. So a subscriber is never shown an event before
// one with a smaller position may still appear, and its checkpoint skips nothing.
// An append that was acknowledged is in its stream at once, and in the order of
// all events as soon as the appends that began before it have ended.
//
// The horizon is that of the writers of one store: backups, reports, migrations
// and other stores on the same server do not hold it back. An append that hangs
// does, for all readers of all streams; [Backend.Lag] names the server process.
// Bound the time of an append by its context.
//
// Events are written by this package alone: a row that something else inserts may
// be skipped by subscribers.
//
// # Failures
//
// An operation is tried again for [Options.Patience] where the server is away or
// cuts connections. For an append that is safe, since its IDs make a repetition
// known: events are never stored twice. When the server does not come back in time
// the error is coded [mcperrors.Unavailable]; with [ErrUnknownOutcome] in its chain
// if the append may have been stored. The text of an error names no address, no
// user and no SQL; the cause is in its chain, for the log.
//
// A subscription outlasts a restart of the server that is shorter than the
// patience. Notifications (LISTEN, NOTIFY) only make it fast; polling is what
// finds every event.
//
// # Operation
//
// Everything is in one schema, which [Open] makes and brings up to date under a
// lock. Nothing is dropped. A role that only uses a schema that is up to date needs
// USAGE on it, SELECT, INSERT and UPDATE on its tables, and, for projections,
// DELETE on the table "views". The pool has to lead to the primary server; it was
// not tried with a pooler in between. A projection may write to tables of the
// application in its transaction, see [TxFrom].
//
// A dump may be restored into another cluster: positions go on behind those that
// are there.
package postgres
