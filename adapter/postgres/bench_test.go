package postgres_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

// BenchmarkAppend has 8 writers append 100 events a commit, each to a stream of
// its own, and in turn copy the same rows into a table of the same form, so that
// both meet the same machine. The ratio is what to look at.
func BenchmarkAppend(b *testing.B) {
	const writers, batch, turn = 8, 100, 20
	pool := newPool(b, testURL(), b.Name(), writers+2)
	schema := newSchema(b, pool)
	store := eventstore.New(open(b, pool, &postgres.Options{Schema: schema}), nil)
	copied := copyTable(b, pool, schema)

	var appending, copying time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		appending += together(writers, func(w int) {
			for i := range turn {
				name := fmt.Sprintf("w%d-%d-%d", w, rounds, i)
				if _, err := store.Append(b.Context(), fmt.Sprint("order-", w), eventstore.Any, benchEvents(name, batch)...); err != nil {
					b.Error(err)
				}
			}
		})
		copying += together(writers, func(w int) {
			for i := range turn {
				name := fmt.Sprintf("w%d-%d-%d", w, rounds, i)
				events := benchEvents(name, batch)
				first := (rounds-1)*turn*batch + i*batch
				if err := copyEvents(b, pool, copied, fmt.Sprint("order-", w), w, first, events); err != nil {
					b.Error(err)
				}
			}
		})
	}
	n := float64(rounds * writers * turn * batch)
	b.ReportMetric(n/appending.Seconds(), "events/s")
	b.ReportMetric(n/copying.Seconds(), "copied/s")
	b.ReportMetric(copying.Seconds()/appending.Seconds(), "of-COPY")
}

// benchEvents returns events with IDs that grow, as those of the store do.
func benchEvents(_ string, n int) []eventstore.Event {
	events := eventsOf("", n)
	for i := range events {
		events[i].ID = eventstore.NewID()
	}
	return events
}

func together(n int, f func(int)) time.Duration {
	began := time.Now()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
	return time.Since(began)
}

func copyTable(b *testing.B, pool *pgxpool.Pool, schema string) pgx.Identifier {
	b.Helper()
	table := pgx.Identifier{schema, "copied"}
	sql := "create table " + table.Sanitize() + " (like " + pgx.Identifier{schema, "events"}.Sanitize() + " including all)"
	if _, err := pool.Exec(b.Context(), sql); err != nil {
		b.Fatal(err)
	}
	return table
}

// copyEvents copies rows whose positions are told apart by the writer.
func copyEvents(
	b *testing.B, pool *pgxpool.Pool, table pgx.Identifier, stream string, writer, first int, events []eventstore.Event,
) error {
	b.Helper()
	now := time.Now()
	columns := []string{"tx", "ord", "stream", "version", "id", "type", "schema_version", "data", "metadata", "happened"}
	_, err := pool.CopyFrom(b.Context(), table, columns, pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
		e := events[i]
		version := int64(first + i + 1)
		return []any{version, writer, stream, version, e.ID, e.Type, 1, e.Data, nil, now}, nil
	}))
	return err
}
