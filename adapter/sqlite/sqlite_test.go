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

func TestBackend_AFilterFindsWhatIsFarAway(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "events.db"))
	t.Cleanup(func() { closeAll(t, b) })
	s := eventstore.New(b, nil)
	hay := make([]eventstore.Event, 10_000)
	for i := range hay {
		hay[i].Type = "hay"
	}
	for range 6 { // more than a page looks at
		if _, err := s.Append(t.Context(), "stack", eventstore.Any, hay...); err != nil {
			t.Fatal(err)
		}
	}
	needle, err := s.Append(t.Context(), "stack", eventstore.Any, eventstore.Event{Type: "needle"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{Types: []string{"needle"}}) {
		if n++; err != nil || e.Position != needle[0].Position {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if n != 1 {
		t.Errorf("%d events", n)
	}
}
