package eventstoretest

import (
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

func testSnapshots(t *testing.T, c Config) {
	s := c.open(t)
	b, ok := s.Backend().(eventstore.Snapshots)
	if !ok {
		t.Skip("the backend keeps no snapshots")
	}
	load := func(stream, kind string, want eventstore.Snapshot, there bool) {
		t.Helper()
		got, ok, err := b.LoadSnapshot(t.Context(), stream, kind)
		if err != nil || ok != there {
			t.Fatalf("snapshot %s of %s: %v, %v", kind, stream, ok, err)
		}
		if ok && (got.Stream != want.Stream || got.Kind != want.Kind || got.Schema != want.Schema ||
			got.Version != want.Version || got.EventID != want.EventID || string(got.State) != string(want.State) || got.Sum != want.Sum) {
			t.Errorf("snapshot %+v, want %+v", got, want)
		}
	}
	save := func(snapshot eventstore.Snapshot) eventstore.Snapshot {
		t.Helper()
		if err := b.SaveSnapshot(t.Context(), snapshot); err != nil {
			t.Fatal(err)
		}
		return snapshot
	}
	load("a", "k", eventstore.Snapshot{}, false)
	one := save(eventstore.Snapshot{Stream: "a", Kind: "k", Schema: 2, Version: 7, EventID: "e7", State: []byte("{}"), Sum: [32]byte{1, 31: 9}})
	two := save(eventstore.Snapshot{Stream: "a", Kind: "k2", Schema: 1, Version: 5, EventID: "e5", State: []byte{0, 255}})
	save(eventstore.Snapshot{Stream: "b", Kind: "k", Version: 1})
	load("a", "k", one, true)
	load("a", "k2", two, true)
	load("b", "k2", eventstore.Snapshot{}, false)
	one.Schema, one.Version, one.State = 3, 9, []byte("[]")
	load("a", "k", save(one), true)
}
