-- What the whole store needs to know. Lift is added to a transaction's number,
-- so that positions go on where they were when a dump is restored into a
-- cluster that counted fewer transactions.
CREATE TABLE store (
	only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
	lift     bigint  NOT NULL
);
INSERT INTO store (lift) VALUES (0);

-- One row per stream.
CREATE TABLE streams (
	name       text COLLATE "C" PRIMARY KEY,
	version    bigint  NOT NULL,
	hidden     bigint  NOT NULL,
	tombstoned boolean NOT NULL
) WITH (fillfactor = 70);

-- Position is (tx, ord): the lifted number of the transaction and the place in it.
CREATE TABLE events (
	tx             bigint  NOT NULL,
	ord            integer NOT NULL,
	stream         text COLLATE "C" NOT NULL,
	version        bigint  NOT NULL,
	id             text COLLATE "C" NOT NULL,
	type           text COLLATE "C" NOT NULL,
	schema_version integer NOT NULL,
	data           bytea,
	metadata       jsonb,
	happened       timestamptz NOT NULL,
	CONSTRAINT events_position PRIMARY KEY (tx, ord),
	CONSTRAINT events_version  UNIQUE (stream, version),
	CONSTRAINT events_id       UNIQUE (id)
);

-- For filters by type. Those by prefix of the stream use events_version.
CREATE INDEX events_type ON events (type, tx, ord);

CREATE TABLE snapshots (
	stream         text COLLATE "C" NOT NULL,
	kind           text COLLATE "C" NOT NULL,
	schema_version integer NOT NULL,
	version        bigint  NOT NULL,
	event_id       text    NOT NULL,
	state          bytea,
	sum            bytea   NOT NULL,
	PRIMARY KEY (stream, kind)
);
