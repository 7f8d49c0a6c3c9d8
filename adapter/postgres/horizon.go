package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// horizonSQL finds the number below which every transaction of this store's
// writers has ended. $1 is the key of the lock that they share.
//
// It begins with the transactions that run in its snapshot, and leaves out those
// that are known to be somebody else's. A writer takes the lock before it is
// given a number, and both are released only after its events can be seen. So a
// running transaction seen in the list of locks without the writers' lock is no
// writer's, or has ended by now. One that is not in that list either has ended
// or had no time to get there: the status tells. CASE keeps the status from
// being asked before the locks are listed.
//
// What ended while this ran is not in its snapshot: events have to be read by a
// later statement.
const horizonSQL = `
	WITH locks AS MATERIALIZED (
		SELECT * FROM pg_locks WHERE granted AND locktype IN ('transactionid', 'advisory')
	), owners AS MATERIALIZED (
		SELECT t.transactionid, EXISTS (
			SELECT FROM locks a
			WHERE a.virtualtransaction = t.virtualtransaction AND a.locktype = 'advisory' AND a.objsubid = 1
				AND ((a.classid::bigint << 32) | a.objid::bigint) = $1::bigint
				AND a.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		) AS writer
		FROM locks t WHERE t.locktype = 'transactionid' AND t.mode = 'ExclusiveLock'
	)
	SELECT (SELECT lift FROM {}.store) + coalesce(min(running::text::bigint), ` + nextTx + `)
	FROM pg_snapshot_xip(pg_current_snapshot()) running LEFT JOIN owners ON transactionid = running::xid
	WHERE CASE WHEN transactionid IS NULL THEN pg_xact_status(running) = 'in progress' ELSE writer END`

// horizon returns the number of the transaction at which visible events end.
// It never goes back.
func (b *Backend) horizon(ctx context.Context, conn *pgxpool.Conn) (int64, error) {
	var tx int64
	err := conn.QueryRow(ctx, b.sql.horizon, b.key).Scan(&tx)
	return tx, err
}

// maxHeldBack bounds the counting for [Lag].
const maxHeldBack = 100_000

// lagSQL has the horizon as $1, the lock's key as $2, and [maxHeldBack] as $3.
const lagSQL = `
	SELECT
		(SELECT count(*) FROM (SELECT FROM {}.events WHERE tx >= $1 LIMIT $3) held),
		greatest(0, (SELECT lift FROM {}.store) + ` + nextTx + ` - $1),
		coalesce(oldest.age, 0), coalesce(oldest.pid, 0)
	FROM (SELECT) one LEFT JOIN LATERAL (
		SELECT extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age, a.pid
		FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.granted AND l.locktype = 'advisory' AND l.objsubid = 1
			AND ((l.classid::bigint << 32) | l.objid::bigint) = $2::bigint AND a.datname = current_database()
		ORDER BY a.xact_start LIMIT 1
	) oldest ON true`

// Lag says how far the visible events are behind the stored ones.
type Lag struct {
	// Events is the number of events that are committed and that readers of all
	// streams do not see yet, since a transaction that began earlier is still
	// open. It is counted up to 100,000.
	Events int64
	// Transactions is by how many transaction numbers the horizon is behind the
	// newest. Transactions of others that run count too.
	Transactions int64
	// Oldest is for how long the oldest append has been running. Zero means that
	// none runs, or that the role may not see the times of others.
	Oldest time.Duration
	// OldestPID is the server process of that append, as pg_terminate_backend
	// takes it. Zero means that none runs.
	OldestPID int32
}

// Lag returns how far readers are held back. Values that stay high mean that an
// append does not end: see Oldest. The errors are those of reading.
func (b *Backend) Lag(ctx context.Context) (Lag, error) {
	var lag Lag
	err := b.do(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		horizon, err := b.horizon(ctx, conn)
		if err != nil {
			return err
		}
		var seconds float64
		err = conn.QueryRow(ctx, b.sql.lag, horizon, b.key, maxHeldBack).
			Scan(&lag.Events, &lag.Transactions, &seconds, &lag.OldestPID)
		lag.Oldest = time.Duration(seconds * float64(time.Second))
		return err
	})
	return lag, err
}
