package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
)

func TestSegments_AreSchemasThatAreDropped(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 4)
	prefix := fmt.Sprintf("seg %s_%%", strings.ToLower(eventstore.NewID()[24:])) // no pattern of SQL
	segments := postgres.Segments{Pool: pool, Prefix: prefix}
	schemas := func(ctx context.Context) []string {
		rows, err := pool.Query(ctx, "select nspname from pg_namespace where starts_with(nspname, $1) order by 1", prefix[:8])
		if err != nil {
			t.Fatal(err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, name := range schemas(ctx) {
			_, _ = pool.Exec(ctx, "drop schema "+pgx.Identifier{name}.Sanitize()+" cascade")
		}
	})
	for _, n := range []int64{7, 8, 12} {
		b, err := segments.Open(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := eventstore.New(b, nil).Append(t.Context(), "a", eventstore.NoStream, eventsOf(fmt.Sprint("s", n), 2)...); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	other := strings.TrimSuffix(prefix, "%") + "x7" // what the prefix would match as a pattern
	if _, err := pool.Exec(t.Context(), "create schema "+pgx.Identifier{other}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := segments.Drop(t.Context(), 12); err != nil {
			t.Error(err)
		}
	}
	if got, want := schemas(t.Context()), []string{prefix + "12", other}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
}
