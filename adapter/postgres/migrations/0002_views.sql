-- What projections make of the events, and how far they got. A space is a part
-- of one version of a projection.
CREATE TABLE views (
	space text COLLATE "C" NOT NULL,
	key   text COLLATE "C" NOT NULL,
	value json NOT NULL,
	PRIMARY KEY (space, key)
) WITH (fillfactor = 70);
