package postgres_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// absent skips a test for want of a real service, and fails it in CI.
func absent(tb testing.TB, what string, err error) {
	tb.Helper()
	if os.Getenv("TRESTLE_CI") != "" {
		tb.Fatalf("%s is needed: %v", what, err)
	}
	tb.Skipf("%s is not here: %v", what, err)
}

// testURL is where the PostgreSQL of the tests is: TRESTLE_POSTGRES_URL, or one on
// this machine with a database "test". The role has to be a superuser.
func testURL() string {
	return cmp.Or(os.Getenv("TRESTLE_POSTGRES_URL"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
}

// newPool returns connections under an application name of their own.
func newPool(tb testing.TB, url, name string, conns int32) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		tb.Fatal(err)
	}
	config.MaxConns = conns
	config.ConnConfig.RuntimeParams["application_name"] = name
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		absent(tb, "PostgreSQL", err)
	}
	return pool
}

// newSchema returns the name of a schema that is dropped after the test.
func newSchema(tb testing.TB, pool *pgxpool.Pool) string {
	tb.Helper()
	schema := fmt.Sprintf("trestle %s", rand.Text()[:12]) // the blank has to be quoted
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
		defer cancel()
		if _, err := pool.Exec(ctx, "drop schema if exists "+pgx.Identifier{schema}.Sanitize()+" cascade"); err != nil {
			tb.Error(err)
		}
	})
	return schema
}

func open(tb testing.TB, pool *pgxpool.Pool, opts *postgres.Options) *postgres.Backend {
	tb.Helper()
	b, err := postgres.Open(tb.Context(), pool, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return b
}

// eventsOf returns n events with IDs of their own.
func eventsOf(prefix string, n int) []eventstore.Event {
	events := make([]eventstore.Event, n)
	for i := range events {
		events[i] = eventstore.Event{
			ID: fmt.Sprintf("%s-%d", prefix, i), Type: "test.happened", Data: []byte(`{"amount":12,"note":"as ordered"}`),
		}
	}
	return events
}
