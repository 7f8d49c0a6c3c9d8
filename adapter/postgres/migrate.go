package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// migrations are applied in the order of their names, each once, and never
// changed after a release.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to the newest form, under a lock that keeps other
// replicas from doing the same.
func (b *Backend) migrate(ctx context.Context, conn *pgxpool.Conn) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if err := checkServer(ctx, conn); err != nil {
		return err
	}
	done, err := b.migrated(ctx, conn)
	if err != nil {
		return err
	}
	if done > len(steps) {
		return mcperrors.Errorf(mcperrors.Unavailable, "the event store was made by a newer version of this program")
	}
	if done < len(steps) {
		err := pgx.BeginTxFunc(ctx, conn, readCommitted, func(tx pgx.Tx) error { return b.apply(ctx, tx, steps) })
		if err != nil {
			return err
		}
	}
	return b.raise(ctx, conn)
}

var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}

// checkServer refuses a server on which the store would not work as promised.
func checkServer(ctx context.Context, conn *pgxpool.Conn) error {
	var version int
	var encoding string
	const q = `SELECT current_setting('server_version_num')::int, current_setting('server_encoding')`
	if err := conn.QueryRow(ctx, q).Scan(&version, &encoding); err != nil {
		return err
	}
	if version < 130000 || encoding != "UTF8" {
		return mcperrors.Errorf(mcperrors.Unavailable, "the event store needs PostgreSQL 13 or later with a database in UTF8")
	}
	return nil
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// migrated returns how many steps were applied.
func (b *Backend) migrated(ctx context.Context, conn querier) (int, error) {
	// From the catalog's tables: to_regclass may answer from a cache that does not
	// know yet what another replica did.
	const q = `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = 'migrations')`
	var there bool
	err := conn.QueryRow(ctx, q, b.schema).Scan(&there)
	if err != nil || !there {
		return 0, err
	}
	var n int
	err = conn.QueryRow(ctx, b.sql.version).Scan(&n)
	return n, err
}

// apply runs the steps that are missing, all or none.
func (b *Backend) apply(ctx context.Context, tx pgx.Tx, steps []string) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockKey("migrations", b.schema)); err != nil {
		return err
	}
	done, err := b.migrated(ctx, tx) // again: another replica may have been first
	if err != nil || done >= len(steps) {
		return err
	}
	if err := b.prepare(ctx, tx); err != nil {
		return err
	}
	for i := done; i < len(steps); i++ {
		sql, err := migrations.ReadFile(steps[i])
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(sql)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, b.sql.applied, i+1); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the schema and its list of steps where they are not there, and
// has the transaction look nowhere else.
func (b *Backend) prepare(ctx context.Context, tx pgx.Tx) error {
	var there bool
	const q = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`
	if err := tx.QueryRow(ctx, q, b.schema).Scan(&there); err != nil {
		return err
	}
	if !there { // even with IF NOT EXISTS the right to create would be needed
		if _, err := tx.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+b.sql.quoted); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `SELECT set_config('search_path', $1, true)`, b.sql.quoted); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS migrations (
		version integer PRIMARY KEY,
		applied timestamptz NOT NULL DEFAULT now()
	)`)
	return err
}

// raise sets the lift where events have larger numbers than the transactions to
// come: a dump was restored into a younger cluster. It waits for the writers.
func (b *Backend) raise(ctx context.Context, conn *pgxpool.Conn) error {
	var behind bool
	if err := conn.QueryRow(ctx, b.sql.maxTx).Scan(&behind); err != nil || !behind {
		return err
	}
	return pgx.BeginTxFunc(ctx, conn, readCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, b.key); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, b.sql.maxTx).Scan(&behind); err != nil || !behind {
			return err
		}
		tag, err := tx.Exec(ctx, b.sql.lift)
		if err == nil && tag.RowsAffected() != 1 {
			err = errors.New("postgres: the store has no row of its own")
		}
		return err
	})
}
