package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

// open opens where the events are kept. Release it after the last use.
func (c *config) open(ctx context.Context) (backend eventstore.Backend, release func(), err error) {
	if c.postgres == "" {
		b, err := sqlite.Open(ctx, cmp.Or(c.db, "ledger.db"), nil)
		if err != nil {
			return nil, nil, err
		}
		return b, func() { _ = b.Close() }, nil
	}
	if c.db != "" {
		return nil, nil, errors.New("-db and -postgres: the events are kept in one of them")
	}
	pool, err := pgxpool.New(ctx, c.postgres)
	if err != nil {
		return nil, nil, err
	}
	b, err := postgres.Open(ctx, pool, &postgres.Options{Schema: c.schema})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return b, func() { _ = b.Close(); pool.Close() }, nil
}
