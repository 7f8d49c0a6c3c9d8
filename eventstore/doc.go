// Package eventstore keeps what happened as events in streams, and derives
// state from them.
//
// A [Store] appends events to streams and reads them, one stream or all of
// them in one order. It stands on a [Backend]: [Memory] here, one SQLite file in
// adapter/sqlite, a PostgreSQL database in adapter/postgres. Package
// eventstoretest is the suite that every backend passes.
//
// # Promises
//
//   - An append is all or nothing, durable before it returns, and checked against
//     what it expects of its stream. The versions of a stream have no gaps.
//   - An append that is repeated with the same IDs is stored once.
//   - A reader that goes on from a [Position] misses nothing and sees nothing
//     twice, whatever is written at the same time.
//   - Whatever is read is as it was written, or an error.
//   - A reader holds one page of events, and what an append may bring is bounded
//     by [Limits].
//
// # State
//
// An [Aggregate] folds the events of one stream to a state, and a [Repository]
// loads and saves it, with snapshots to make loading fast and retries when two
// writers meet. [Upcasters] turn events in an old form into those of today.
// [Store.Subscribe] follows everything that happens. A [Projection] derives a view
// from the events of many streams, which a [Projector] keeps up to date and
// [Store.View] reads.
//
// # Erasure
//
// Nothing is ever taken out of a store. Personal data is erased by destroying
// the key of its subject: see [Keys].
//
// # Errors
//
// Errors name streams and IDs, and the file of a store: they are for the log.
// Only [*ConflictError] and [*InvalidError] are about what a caller did.
package eventstore
