package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/eventstore/eventstoretest"
)

func open(t *testing.T, path string) *sqlite.Backend {
	t.Helper()
	b, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBackend_PassesTheSuite(t *testing.T) {
	again := func(t *testing.T, b eventstore.Backend) eventstore.Backend {
		return open(t, b.(*sqlite.Backend).Path())
	}
	eventstoretest.Run(t, eventstoretest.Config{
		Open: func(t *testing.T) eventstore.Backend {
			return open(t, filepath.Join(t.TempDir(), "a b?#%.db"))
		},
		Reopen:  again,
		Another: again,
	})
}

func closeAll(t *testing.T, backends ...*sqlite.Backend) {
	t.Helper()
	for _, b := range backends {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
