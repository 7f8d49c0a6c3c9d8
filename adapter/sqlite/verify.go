package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// inspect decides whether the file may be opened, on a connection that cannot
// write: what SQLite would mend or forget on the way stays as it is.
func (b *Backend) inspect(ctx context.Context) (err error) {
	acked, err := readAck(b.path + "-ack")
	if err != nil {
		return err
	}
	info, err := os.Stat(b.path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		if acked > 0 {
			return b.corrupt("it is empty or gone, but events up to position %d were acknowledged", acked)
		}
		return nil // a new one, or one whose making was cut off
	}
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", b.dsn("query_only(1)")+"&mode=ro")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	head, err := b.inspectSchema(ctx, db)
	if err != nil {
		return b.doubt(ctx, err)
	}
	if head < acked {
		return b.corrupt("it ends at position %d, but events up to %d were acknowledged", head, acked)
	}
	if limit := int64(b.opts.VerifyEvents); limit < 0 || head <= limit {
		err = verify(ctx, db)
	} else {
		err = verifyEvents(ctx, db, head-limit)
	}
	return b.doubt(ctx, err)
}

// doubt makes a CorruptError of what is no error of the context or of SQLite.
func (b *Backend) doubt(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case code(err) != 0: // such as that it is busy
		return b.explain(err)
	default:
		return &CorruptError{Path: b.path, Err: err}
	}
}

// inspectSchema returns the last position. An empty database is one of ours
// whose making was cut off.
func (b *Backend) inspectSchema(ctx context.Context, db *sql.DB) (head int64, err error) {
	var id, version int64
	if err := db.QueryRowContext(ctx, "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version").
		Scan(&id, &version); err != nil {
		return 0, err
	}
	found, err := schemaOf(ctx, db)
	if err != nil {
		return 0, err
	}
	if id == 0 && version == 0 && len(found) == 0 {
		return 0, nil
	}
	if id != applicationID {
		return 0, errors.New("it is not the file of an event store")
	}
	if version < 1 || version > schemaVersion {
		return 0, fmt.Errorf("its schema has version %d, this program knows version %d", version, schemaVersion)
	}
	for _, s := range schema {
		if int64(s.since) <= version && found[s.name] != s.sql {
			return 0, fmt.Errorf("its schema of %q is another one", s.name)
		}
	}
	err = db.QueryRowContext(ctx, headQuery).Scan(&head)
	return head, err
}

func schemaOf(ctx context.Context, db *sql.DB) (found map[string]string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found = make(map[string]string)
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		found[name] = text
	}
	return found, rows.Err()
}

// Verify reads the whole file and checks every event and every index. The error
// of a damaged one is a [*CorruptError]. It takes some seconds for a million
// events, and does not hold up appends.
func (b *Backend) Verify(ctx context.Context) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.RUnlock()
	return b.doubt(ctx, verify(ctx, b.read))
}

func verify(ctx context.Context, db *sql.DB) error {
	if err := integrity(ctx, db); err != nil {
		return err
	}
	return verifyEvents(ctx, db, 0)
}

// integrity has SQLite check its pages and indexes.
func integrity(ctx context.Context, db *sql.DB) (err error) {
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check(1)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var answer string
		if err := rows.Scan(&answer); err != nil {
			return err
		}
		if answer != "ok" {
			return errors.New(answer)
		}
	}
	return rows.Err()
}

// verifyEvents checks the events after a position: their checksums, and that
// none is missing between two of them or of their stream.
func verifyEvents(ctx context.Context, db *sql.DB, after int64) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var d decoder
	versions := make(map[string]int64)
	whole := after == 0 // else a stream may begin before
	q := eventQuery{from: "events", where: "position > ?", whereArgs: []any{after}, order: "position"}
	return query(ctx, conn, q, func(r *row) (bool, error) {
		e, err := d.event(r)
		if err != nil {
			return false, fmt.Errorf("event at position %d: %w", r.position, err)
		}
		if after++; r.position != after {
			return false, fmt.Errorf("position %d is missing", after)
		}
		last, seen := versions[r.stream]
		if (seen || whole) && r.version != last+1 {
			return false, fmt.Errorf("version %d of stream %q is missing", last+1, r.stream)
		}
		versions[e.Stream] = r.version
		return true, nil
	})
}
