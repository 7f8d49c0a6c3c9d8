package eventstoretest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

func testAppend(t *testing.T, c Config) {
	s := c.open(t)
	a := mustAppend(t, s, "a", eventstore.NoStream, evs("a", 4)...)
	b := mustAppend(t, s, "b", eventstore.Any, evs("b", 2)...)
	a = append(a, mustAppend(t, s, "a", eventstore.Expected(4), ev("a-5"))...)

	for i, e := range a {
		if e.Stream != "a" || e.Version != int64(i+1) || e.Schema != 1 || e.Time.IsZero() {
			t.Errorf("event %d of a is %+v", i, e)
		}
	}
	inOrder := append(append(a[:4:4], b...), a[4])
	for i, e := range inOrder[1:] {
		if e.Position.Compare(inOrder[i].Position) <= 0 {
			t.Errorf("position %v of %s is not after %v of %s", e.Position, e.ID, inOrder[i].Position, inOrder[i].ID)
		}
	}
	same(t, "stream a", streamOf(t, s, "a"), a)
	same(t, "all", all(t, s), inOrder)
	if head, err := s.Head(t.Context()); err != nil || head != inOrder[len(inOrder)-1].Position {
		t.Errorf("head %v, %v", head, err)
	}
}

func testExpected(t *testing.T, c Config) {
	s := c.open(t)
	mustAppend(t, s, "three", eventstore.NoStream, evs("seed", 3)...)
	for i, test := range []struct {
		stream   string
		expected eventstore.Expected
		actual   int64 // of the conflict; -1 without one
	}{
		{"none", eventstore.Exists, 0},
		{"none", eventstore.Expected(1), 0},
		{"three", eventstore.NoStream, 3},
		{"three", eventstore.Expected(2), 3},
		{"three", eventstore.Expected(4), 3},
		{"three", eventstore.Expected(3), -1},
		{"three", eventstore.Exists, -1},
		{"three", eventstore.Any, -1},
		{"other", eventstore.Any, -1},
		{"another", eventstore.NoStream, -1},
	} {
		before := all(t, s)
		_, err := s.Append(t.Context(), test.stream, test.expected, evs(fmt.Sprint("case", i), 2)...)
		if test.actual < 0 {
			if err != nil {
				t.Errorf("%s expecting %v: %v", test.stream, test.expected, err)
			}
			continue
		}
		var conflict *eventstore.ConflictError
		if !errors.As(err, &conflict) {
			t.Fatalf("%s expecting %v: %v, want a conflict", test.stream, test.expected, err)
		}
		want := eventstore.ConflictError{Stream: test.stream, Expected: test.expected, Actual: test.actual}
		if *conflict != want {
			t.Errorf("conflict %+v, want %+v", *conflict, want)
		}
		same(t, "after a conflict", all(t, s), before)
	}
}

func testRetry(t *testing.T, c Config) {
	s := c.open(t)
	first := mustAppend(t, s, "a", eventstore.NoStream, evs("a", 3)...)
	mustAppend(t, s, "a", eventstore.Any, ev("later"))
	mustAppend(t, s, "b", eventstore.Any, ev("elsewhere"))
	before := all(t, s)

	same(t, "retry", mustAppend(t, s, "a", eventstore.NoStream, evs("a", 3)...), first)
	same(t, "retry of a part", mustAppend(t, s, "a", eventstore.Any, evs("a", 2)...), first[:2])

	changed, retimed, renamed := ev("a-1"), ev("a-1"), ev("a-1")
	changed.Data = []byte(`{"n":"other"}`)
	retimed.Time = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
	renamed.Metadata.Correlation = "other"
	for name, events := range map[string][]eventstore.Event{
		"other data":            {changed},
		"other time":            {retimed},
		"other metadata":        {renamed},
		"stored and new":        {ev("a-3"), ev("new")},
		"new and stored":        {ev("new"), ev("a-1")},
		"another order":         {ev("a-2"), ev("a-1")},
		"a hole":                {ev("a-1"), ev("a-3")},
		"of two appends":        {ev("a-3"), ev("elsewhere")},
		"stored in two streams": {ev("elsewhere")},
	} {
		var duplicate *eventstore.DuplicateError
		if _, err := s.Append(t.Context(), "a", eventstore.Any, events...); !errors.As(err, &duplicate) {
			t.Errorf("%s: %v, want a duplicate", name, err)
		}
	}
	same(t, "after retries", all(t, s), before)
}

func testFidelity(t *testing.T, c Config) {
	s := c.open(t)
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	want := mustAppend(
		t, s, "a/ä'\"%_;--", eventstore.Any,
		eventstore.Event{ID: "no data", Type: "t"},
		eventstore.Event{ID: "every byte", Type: "t", Data: bytes, Schema: 1<<31 - 1},
		eventstore.Event{ID: "large", Type: "t", Data: make([]byte, 1<<20)},
		eventstore.Event{
			ID: "métadonnées'", Type: "日本", Data: []byte(`{"a": 1.0}`),
			Metadata: eventstore.Metadata{
				Correlation: "c\n\"", Causation: "\u2028", Subject: "s",
				Extra: map[string]string{"": "", "<k>": "v\t&"},
			},
			Time: time.Date(1, 1, 1, 0, 0, 0, 1999, time.FixedZone("", -3600)),
		},
		eventstore.Event{ID: "far", Type: "t", Time: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
	)
	same(t, "stream", streamOf(t, s, "a/ä'\"%_;--"), want)
	same(t, "all", all(t, s), want)
	for _, e := range want {
		retry := e
		if e.ID == "no data" {
			retry.Time = time.Time{}
		}
		same(t, "retry", mustAppend(t, s, "a/ä'\"%_;--", eventstore.Any, retry), []eventstore.Event{e})
	}
}

func testDelete(t *testing.T, c Config) {
	s := c.open(t)
	ctx := t.Context()
	var conflict *eventstore.ConflictError
	if err := s.Delete(ctx, "a", eventstore.Any); !errors.As(err, &conflict) {
		t.Errorf("delete of nothing: %v", err)
	}
	mustAppend(t, s, "a", eventstore.NoStream, evs("a", 4)...)
	if err := s.Delete(ctx, "a", eventstore.Expected(3)); !errors.As(err, &conflict) || conflict.Actual != 4 {
		t.Errorf("delete expecting another version: %v", err)
	}
	if err := s.Delete(ctx, "a", eventstore.Expected(4)); err != nil {
		t.Fatal(err)
	}
	if got := streamOf(t, s, "a"); len(got) != 0 {
		t.Errorf("a deleted stream has %v", ids(got))
	}
	if err := s.Delete(ctx, "a", eventstore.Any); !errors.As(err, &conflict) {
		t.Errorf("second delete: %v", err)
	}
	if _, err := s.Append(ctx, "a", eventstore.Exists, ev("x")); !errors.As(err, &conflict) || conflict.Actual != 5 {
		t.Errorf("append to a deleted stream as an existing one: %v", err)
	}

	again := mustAppend(t, s, "a", eventstore.NoStream, evs("again", 4)...)
	if again[0].Version != 6 {
		t.Errorf("the stream goes on with version %d, want 6", again[0].Version)
	}
	same(t, "forward", streamOf(t, s, "a"), again)
	same(t, "forward from a hidden version", collect(t, s.ReadStream(ctx, "a", 2, eventstore.Forward)), again)
	back := collect(t, s.ReadStream(ctx, "a", 0, eventstore.Backward))
	if len(back) != 4 || back[3].Version != 6 {
		t.Errorf("backward %v", ids(back))
	}
	if back := collect(t, s.ReadStream(ctx, "a", 5, eventstore.Backward)); len(back) != 0 {
		t.Errorf("backward from a hidden version %v", ids(back))
	}
	if log := all(t, s); len(log) != 9 || log[4].Type != eventstore.TypeDeleted || log[4].Version != 5 {
		t.Errorf("the log has %v", ids(log))
	}
}

func testTombstone(t *testing.T, c Config) {
	s := c.open(t)
	ctx := t.Context()
	written := mustAppend(t, s, "a", eventstore.NoStream, evs("a", 2)...)
	for _, stream := range []string{"a", "never written"} {
		for range 2 {
			if err := s.Tombstone(ctx, stream, eventstore.Any); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []eventstore.Expected{eventstore.Any, eventstore.NoStream, eventstore.Exists, 3} {
			if _, err := s.Append(ctx, stream, want, ev("x")); !errors.Is(err, eventstore.ErrTombstoned) {
				t.Errorf("append to %q expecting %v: %v", stream, want, err)
			}
		}
		if err := s.Delete(ctx, stream, eventstore.Any); !errors.Is(err, eventstore.ErrTombstoned) {
			t.Errorf("delete of %q: %v", stream, err)
		}
		for _, dir := range []eventstore.Direction{eventstore.Forward, eventstore.Backward} {
			for e, err := range s.ReadStream(ctx, stream, 0, dir) {
				if !errors.Is(err, eventstore.ErrTombstoned) {
					t.Errorf("read of %q: %v, %v", stream, e, err)
				}
			}
		}
	}
	same(t, "retry of what was there", mustAppend(t, s, "a", eventstore.NoStream, evs("a", 2)...), written)
	if log := all(t, s); len(log) != 4 || log[2].Type != eventstore.TypeTombstone || log[2].Version != 3 {
		t.Errorf("the log has %v", ids(log))
	}
}
