package postgres

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements hold the SQL of one schema, whose quoted name was put in the place
// of "{}". Values are never put into a text.
type statements struct {
	horizon, head, held, lag                string
	lock, state, create, update, insert     string
	byIDs, forward, backward                string
	saveSnapshot, loadSnapshot, pageOfAll   string
	getView, scanViews, putViews, dropViews string
	version, applied, maxTx, lift, quoted   string
}

// columns of an event, as scanEvent takes them.
const columns = `tx, ord, stream, version, id, type, schema_version, data, metadata::text, happened`

// bounded is a page around an inner query, which is sorted and brings one row
// more than the page has. $1 is the number of events, $2 that of bytes. A large
// payload that is beyond the page is never read: its length is known without it.
func bounded(order, inner string) string {
	return `SELECT ` + columns + `, total FROM (
		SELECT *,
			row_number() OVER w AS n,
			count(*) OVER () AS total,
			sum(coalesce(octet_length(data), 0)) OVER w - coalesce(octet_length(data), 0) AS before
		FROM (` + inner + ` ORDER BY ` + order + ` LIMIT $1::bigint + 1) found
		WINDOW w AS (ORDER BY ` + order + ` ROWS UNBOUNDED PRECEDING)
	) page WHERE n <= $1::bigint AND before < $2::bigint ORDER BY n`
}

func newStatements(schema string) statements {
	quoted := pgx.Identifier{schema}.Sanitize()
	in := func(sql string) string { return strings.ReplaceAll(sql, "{}", quoted) }
	return statements{
		horizon: in(horizonSQL),
		head:    in(`SELECT tx, ord FROM {}.events WHERE tx < $1 ORDER BY tx DESC, ord DESC LIMIT 1`),
		held:    in(`SELECT EXISTS (SELECT FROM {}.events WHERE tx >= $1)`),
		lag:     in(lagSQL),

		lock:  `SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock($2)`,
		state: in(`SELECT version, hidden, tombstoned FROM {}.streams WHERE name = $1`),
		create: in(`INSERT INTO {}.streams (name, version, hidden, tombstoned) VALUES ($1, $2, $3, $4)
			RETURNING ` + thisTx),
		update: in(`UPDATE {}.streams SET version = $2, hidden = $3, tombstoned = $4 WHERE name = $1
			RETURNING ` + thisTx),
		insert: in(`INSERT INTO {}.events (tx, ord, stream, version, id, type, schema_version, data, metadata, happened)
			SELECT ` + thisTx + `, n, $1, $2::bigint + n, id, type, schema_version, data, metadata::jsonb, happened
			FROM unnest($3::text[], $4::text[], $5::int[], $6::bytea[], $7::text[], $8::timestamptz[])
				WITH ORDINALITY AS u (id, type, schema_version, data, metadata, happened, n)`),

		byIDs: in(`SELECT ` + columns + ` FROM {}.events WHERE id = ANY ($1)`),
		forward: in(bounded("version", `SELECT * FROM {}.events
			WHERE stream = $3 AND version >= $4 AND version > (SELECT hidden FROM {}.streams WHERE name = $3)`)),
		backward: in(bounded("version DESC", `SELECT * FROM {}.events
			WHERE stream = $3 AND version <= $4 AND version > (SELECT hidden FROM {}.streams WHERE name = $3)`)),
		pageOfAll: in(bounded("tx, ord", `SELECT * FROM {}.events `+whereAll)),

		saveSnapshot: in(`INSERT INTO {}.snapshots (stream, kind, schema_version, version, event_id, state, sum)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (stream, kind) DO UPDATE SET
			schema_version = $3, version = $4, event_id = $5, state = $6, sum = $7`),
		loadSnapshot: in(`SELECT schema_version, version, event_id, state, sum FROM {}.snapshots WHERE stream = $1 AND kind = $2`),

		getView: in(`SELECT value::text FROM {}.views WHERE space = $1 AND key = $2`),
		scanViews: in(`SELECT key, value::text FROM {}.views
			WHERE space = $1 AND key > $2 AND key >= $3 AND ($4::text IS NULL OR key < $4) ORDER BY key LIMIT $5`),
		putViews: in(`INSERT INTO {}.views (space, key, value)
			SELECT $1, key, value::json FROM unnest($2::text[], $3::text[]) AS u (key, value)
			ON CONFLICT (space, key) DO UPDATE SET value = excluded.value`),
		dropViews: in(`DELETE FROM {}.views WHERE space = $1 AND key = ANY ($2)`),

		version: in(`SELECT coalesce(max(version), 0) FROM {}.migrations`),
		applied: in(`INSERT INTO {}.migrations (version) VALUES ($1)`),
		maxTx:   in(`SELECT coalesce(max(tx), 0) >= (SELECT lift FROM {}.store) + ` + nextTx + ` FROM {}.events`),
		lift:    in(`UPDATE {}.store SET lift = (SELECT max(tx) FROM {}.events) + 1`),
		quoted:  quoted,
	}
}

const (
	// thisTx is the number of the transaction, as it stands in events.
	thisTx = `pg_current_xact_id()::text::bigint + (SELECT lift FROM {}.store)`
	// nextTx is the number of the first transaction that has not begun.
	nextTx = `pg_snapshot_xmax(pg_current_snapshot())::text::bigint`
)

// whereAll is where a filter's conditions are put.
const whereAll = `WHERE tx < $3 AND (tx, ord) > ($4::bigint, $5::int)`
