package postgres_test

import (
	"testing"

	"github.com/trestle-mcp/trestle/adapter/postgres"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/eventstore/eventstoretest"
)

func TestBackend_PassesTheSuite(t *testing.T) {
	pool := newPool(t, testURL(), t.Name(), 8)
	schemas := map[eventstore.Backend]string{}
	again := func(t *testing.T, b eventstore.Backend) eventstore.Backend {
		t.Helper()
		other, err := postgres.Open(t.Context(), pool, &postgres.Options{Schema: schemas[b]})
		if err != nil {
			t.Fatal(err)
		}
		schemas[other] = schemas[b]
		return other
	}
	eventstoretest.Run(t, eventstoretest.Config{
		Open: func(t *testing.T) eventstore.Backend {
			schema := newSchema(t, pool)
			b, err := postgres.Open(t.Context(), pool, &postgres.Options{Schema: schema})
			if err != nil {
				t.Fatal(err)
			}
			schemas[b] = schema
			return b
		},
		Reopen:  again,
		Another: again,
	})
}
