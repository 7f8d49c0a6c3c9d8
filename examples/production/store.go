package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/pool"
)

// A database has the events, and is counted with SQL beside.
type database struct {
	store   *eventstore.Store
	checks  health.Checker
	readers *pool.Pool[reader]
	close   func() error // of what is below store
}

// A reader is a connection that only reads: reports must not hold up appends.
type reader interface {
	count(ctx context.Context) (events int64, err error)
	ping(ctx context.Context) error
	close(ctx context.Context) error
}

func openDatabase(ctx context.Context, c *config, log *slog.Logger) (*database, error) {
	open := openSQLite
	if c.Store.Postgres != "" {
		open = openPostgres
	}
	db, connect, err := open(ctx, c)
	if err != nil {
		return nil, err
	}
	db.readers, err = pool.New(pool.Config[reader]{
		Name: "readers", MaxSize: 4, Create: connect,
		Validate: func(ctx context.Context, r reader) error { return r.ping(ctx) },
		Destroy:  func(ctx context.Context, r reader) error { return r.close(ctx) },
		Report:   func(err error) { log.Warn("reader", "error", err) },
	})
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

type connector = func(context.Context) (reader, error)

func openSQLite(ctx context.Context, c *config) (*database, connector, error) {
	backend, err := sqlite.Open(ctx, c.Store.SQLite, nil)
	if err != nil {
		return nil, nil, err
	}
	connect := func(ctx context.Context) (reader, error) {
		file := url.URL{Scheme: "file", Path: filepath.ToSlash(backend.Path()), RawQuery: "mode=ro"}
		db, err := sql.Open("sqlite", file.String())
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		r := sqliteReader{db}
		if err := r.ping(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return r, nil
	}
	return &database{store: eventstore.New(backend, nil), checks: backend, close: backend.Close}, connect, nil
}

type sqliteReader struct{ db *sql.DB }

func (r sqliteReader) count(ctx context.Context) (n int64, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT count(*) FROM events").Scan(&n)
	return n, err
}
func (r sqliteReader) ping(ctx context.Context) error { return r.db.PingContext(ctx) }
func (r sqliteReader) close(context.Context) error    { return r.db.Close() }

// startTimeout bounds what a start waits for a database.
const startTimeout = 30 * time.Second

func openPostgres(ctx context.Context, c *config) (*database, connector, error) {
	conns, err := pgxpool.New(ctx, c.Store.Postgres)
	if err != nil {
		return nil, nil, errors.New("-postgres is no URL of a database") // the cause may have the password
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	backend, err := postgres.Open(ctx, conns, nil)
	if err != nil {
		conns.Close()
		return nil, nil, fmt.Errorf("-postgres: %w", err)
	}
	closeAll := func() error {
		err := backend.Close()
		conns.Close()
		return err
	}
	connect := func(ctx context.Context) (reader, error) {
		conn, err := pgx.ConnectConfig(ctx, conns.Config().ConnConfig)
		if err != nil {
			return nil, err
		}
		return postgresReader{conn}, nil
	}
	return &database{store: eventstore.New(backend, nil), checks: backend, close: closeAll}, connect, nil
}

type postgresReader struct{ conn *pgx.Conn }

func (r postgresReader) count(ctx context.Context) (n int64, err error) {
	err = r.conn.QueryRow(ctx, "SELECT count(*) FROM trestle.events").Scan(&n)
	return n, err
}
func (r postgresReader) ping(ctx context.Context) error  { return r.conn.Ping(ctx) }
func (r postgresReader) close(ctx context.Context) error { return r.conn.Close(ctx) }
