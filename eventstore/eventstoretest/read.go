package eventstoretest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

func testReadStream(t *testing.T, c Config) {
	s := c.open(t)
	mustAppend(t, s, "before", eventstore.Any, evs("before", 2)...)
	want := mustAppend(t, s, "a", eventstore.Any, evs("a", 7)...)
	mustAppend(t, s, "b", eventstore.Any, evs("b", 2)...)
	for from := int64(-1); from <= 9; from++ {
		forward := want[min(max(from-1, 0), 7):]
		got := collect(t, s.ReadStream(t.Context(), "a", from, eventstore.Forward))
		same(t, fmt.Sprint("forward from ", from), got, forward)

		backward := slices.Clone(want)
		if from > 0 {
			backward = backward[:min(from, 7)]
		}
		slices.Reverse(backward)
		got = collect(t, s.ReadStream(t.Context(), "a", from, eventstore.Backward))
		same(t, fmt.Sprint("backward from ", from), got, backward)
	}
	if got := streamOf(t, s, "none"); len(got) != 0 {
		t.Errorf("a stream that is not there has %v", ids(got))
	}
	for _, err := range s.ReadStream(t.Context(), "a", 0, eventstore.Forward) {
		if err != nil {
			t.Error(err)
		}
		break // an iterator that is left holds nothing: Close would hang
	}
}

func testReadAll(t *testing.T, c Config) {
	s := c.open(t)
	if got := all(t, s); len(got) != 0 {
		t.Errorf("an empty store has %v", ids(got))
	}
	if head, err := s.Head(t.Context()); err != nil || !head.IsZero() {
		t.Errorf("head of an empty store: %v, %v", head, err)
	}
	var want []eventstore.Event
	for i := range 10 {
		stream := fmt.Sprint("s", i%3)
		want = append(want, mustAppend(t, s, stream, eventstore.Any, evs(fmt.Sprint("e", i), i%4+1)...)...)
	}
	same(t, "all", all(t, s), want)
	for i, e := range want {
		rest := collect(t, s.ReadAll(t.Context(), e.Position, eventstore.Filter{}))
		same(t, "after "+e.ID, rest, want[i+1:])
	}
	testPages(t, s.Backend(), want)
}

// testPages holds the backend to the bounds of a page.
func testPages(t *testing.T, b eventstore.Backend, want []eventstore.Event) {
	t.Helper()
	size := len(want[0].Data)
	for _, limit := range []eventstore.PageLimit{{Events: 1, Bytes: 1 << 20}, {Events: 4, Bytes: 1 << 20}, {Events: 100, Bytes: 2 * size}} {
		var got []eventstore.Event
		for q := (eventstore.AllQuery{Limit: limit}); ; {
			page, err := b.ReadAll(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Events) > limit.Events || len(page.Events) > limit.Bytes/size {
				t.Errorf("a page of %d events, the limit is %+v", len(page.Events), limit)
			}
			if got = append(got, page.Events...); page.End {
				break
			}
			if page.Next.Compare(q.After) <= 0 {
				t.Fatalf("a page without progress: %v after %v", page.Next, q.After)
			}
			q.After = page.Next
		}
		same(t, fmt.Sprintf("pages of %+v", limit), got, want)
	}
}

func testFilter(t *testing.T, c Config) {
	s := c.open(t)
	var log []eventstore.Event
	n := 0
	for range 3 {
		for _, stream := range []string{"a", "ab", "AB", "a%", "a_b", "b", "aé", "a\U0010FFFF", "a\U0010FFFFb", "order-1"} {
			for _, typ := range []string{"x", "X", "y", "y'"} {
				n++
				e := eventstore.Event{ID: fmt.Sprint(n), Type: typ}
				log = append(log, mustAppend(t, s, stream, eventstore.Any, e)...)
			}
		}
	}
	for _, f := range []eventstore.Filter{
		{},
		{StreamPrefix: "a"},
		{StreamPrefix: "a%"},
		{StreamPrefix: "a_"},
		{StreamPrefix: "a\U0010FFFF"},
		{StreamPrefix: "order-"},
		{StreamPrefix: "none"},
		{Types: []string{"x"}},
		{Types: []string{"y'", "x"}},
		{Types: []string{"none"}},
		{Types: []string{"X", "none"}, StreamPrefix: "b"},
	} {
		for _, after := range []int{0, 1, 50, len(log)} {
			from, want := eventstore.Position{}, []eventstore.Event(nil)
			if after > 0 {
				from = log[after-1].Position
			}
			for _, e := range log[after:] {
				if f.Match(e) {
					want = append(want, e)
				}
			}
			got := collect(t, s.ReadAll(t.Context(), from, f))
			same(t, fmt.Sprintf("%+v after %d", f, after), got, want)
		}
	}
}
