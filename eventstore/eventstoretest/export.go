package eventstoretest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

func testExport(t *testing.T, c Config) {
	s := c.open(t)
	mustAppend(t, s, "deleted", eventstore.Any, evs("d", 2)...)
	mustAppend(t, s, "live", eventstore.Any, evs("l", 5)...)
	err := errors.Join(
		s.Delete(t.Context(), "deleted", eventstore.Any),
		s.Tombstone(t.Context(), "ended", eventstore.Any),
	)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(
		t, s, "deleted", eventstore.NoStream,
		eventstore.Event{ID: "binary", Type: "t", Data: []byte{0xff, '\n'}, Metadata: eventstore.Metadata{Subject: "<s>"}},
		eventstore.Event{ID: "none", Type: "t"},
		eventstore.Event{ID: "spaced", Type: "t", Data: []byte("{\"a\": \"\u2028<\"}\n")},
	)
	var out bytes.Buffer
	end, err := s.Export(t.Context(), &out, eventstore.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if head, err := s.Head(t.Context()); err != nil || end != head {
		t.Errorf("the export ends at %v, the store at %v, %v", end, head, err)
	}
	want := all(t, s)
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != len(want) {
		t.Errorf("%d lines for %d events", n, len(want))
	}

	// Into an empty store, into one that has a part of it, and again.
	lines := bytes.SplitAfter(out.Bytes(), []byte("\n"))
	to := c.open(t)
	for _, n := range []int{0, 1, 4, len(lines), len(lines)} {
		in := bytes.NewReader(bytes.Join(lines[:n], nil))
		if _, err := to.Import(t.Context(), in); err != nil {
			t.Fatalf("import of %d lines: %v", n, err)
		}
	}
	got := all(t, to)
	for i := range got {
		got[i].Position = want[i].Position
	}
	same(t, "import", got, want)

	var conflict *eventstore.ConflictError
	if _, err := c.open(t).Import(t.Context(), bytes.NewReader(lines[1])); !errors.As(err, &conflict) {
		t.Errorf("import of a second event: %v", err)
	}
}
