package sqlite

// applicationID marks the file as one of this package, user_version its schema.
const (
	applicationID = 0x54724576 // "TrEv"
	schemaVersion = 2
)

// schema has one statement for each name, as sqlite_schema shows them, and the
// version since which it is there. What older files lack is added to them. The
// position has no gaps, since only the one who holds the write lock counts it up.
// There is no table of streams: what is said once cannot contradict itself.
var schema = []struct {
	since     int
	name, sql string
}{
	{1, "events", `CREATE TABLE events (
	position INTEGER PRIMARY KEY,
	stream   TEXT NOT NULL,
	version  INTEGER NOT NULL,
	id       TEXT NOT NULL,
	type     TEXT NOT NULL,
	schema   INTEGER NOT NULL,
	time     INTEGER NOT NULL, -- microseconds since 1970, UTC
	metadata TEXT NOT NULL,    -- JSON, or empty
	data     BLOB NOT NULL,
	sum      INTEGER NOT NULL  -- CRC-32C of all the others
) STRICT`},
	{1, "events_stream", `CREATE UNIQUE INDEX events_stream ON events (stream, version)`},
	{1, "events_id", `CREATE UNIQUE INDEX events_id ON events (id)`},
	{1, "events_ends", `CREATE INDEX events_ends ON events (stream, version) WHERE type IN ('$deleted', '$tombstone')`},
	{1, "snapshots", `CREATE TABLE snapshots (
	stream   TEXT NOT NULL,
	kind     TEXT NOT NULL,
	schema   INTEGER NOT NULL,
	version  INTEGER NOT NULL,
	event_id TEXT NOT NULL,
	state    BLOB NOT NULL,
	sum      BLOB NOT NULL,
	PRIMARY KEY (stream, kind)
) STRICT, WITHOUT ROWID`},
	{2, "views", `CREATE TABLE views (
	space TEXT NOT NULL, -- of a projection: its name, its version, and what it is
	key   TEXT NOT NULL,
	value TEXT NOT NULL, -- JSON
	PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID`},
}

const columns = "position, stream, version, id, type, schema, time, metadata, data, sum"
