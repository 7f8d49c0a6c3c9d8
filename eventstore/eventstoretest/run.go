// Package eventstoretest is the suite that every backend of an event store
// passes. Run it in a test of your own backend.
package eventstoretest

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

// Config says how the suite gets at the backend under test.
type Config struct {
	// Open returns an empty backend. The suite closes it.
	Open func(t *testing.T) eventstore.Backend
	// Reopen opens again what b stored, which is closed. Nil means that the
	// backend keeps nothing beyond Close.
	Reopen func(t *testing.T, b eventstore.Backend) eventstore.Backend
	// Another opens what b stores a second time, as another process would, while
	// b remains open. The suite closes it first. Nil means that the backend
	// cannot be shared.
	Another func(t *testing.T, b eventstore.Backend) eventstore.Backend
}

// Run runs the suite. What the backend may do beyond [eventstore.Backend] is
// tested where it does it.
func Run(t *testing.T, c Config) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Config)
	}{
		{"Append", testAppend},
		{"Expected", testExpected},
		{"Retry", testRetry},
		{"Fidelity", testFidelity},
		{"ReadStream", testReadStream},
		{"ReadAll", testReadAll},
		{"Filter", testFilter},
		{"Delete", testDelete},
		{"Tombstone", testTombstone},
		{"Subscribe", testSubscribe},
		{"SubscribeUnderLoad", testSubscribeUnderLoad},
		{"Export", testExport},
		{"Linearizable", testLinearizable},
		{"Model", testModel},
		{"Snapshots", testSnapshots},
		{"Views", testViews},
		{"ViewsExclude", testViewsExclude},
		{"ViewsEnd", testViewsEnd},
		{"Projection", testProjection},
		{"ProjectionFilter", testProjectionFilter},
		{"ProjectionReopen", testProjectionReopen},
		{"ProjectionLoad", testProjectionLoad},
		{"ProjectionFence", testProjectionFence},
		{"ProjectionHalt", testProjectionHalt},
		{"ProjectionPark", testProjectionPark},
		{"ProjectionRebuild", testProjectionRebuild},
		{"ProjectionSwap", testProjectionSwap},
		{"ProjectionModel", testProjectionModel},
		{"Context", testContext},
		{"Close", testClose},
		{"Reopen", testReopen},
		{"Another", testAnother},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

// open returns a store with small pages over an empty backend.
func (c Config) open(t *testing.T) *eventstore.Store {
	t.Helper()
	b := c.Open(t)
	t.Cleanup(func() { closeBackend(t, b) })
	return eventstore.New(b, &eventstore.Options{PageEvents: 3})
}

func closeBackend(t *testing.T, b eventstore.Backend) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// ev returns an event whose payload tells which it is.
func ev(id string) eventstore.Event {
	return eventstore.Event{ID: id, Type: "test.happened", Data: fmt.Appendf(nil, `{"n":%q}`, id)}
}

func evs(prefix string, n int) []eventstore.Event {
	out := make([]eventstore.Event, n)
	for i := range out {
		out[i] = ev(fmt.Sprintf("%s-%d", prefix, i+1))
	}
	return out
}

func mustAppend(
	t *testing.T, s *eventstore.Store, stream string, want eventstore.Expected, events ...eventstore.Event,
) []eventstore.Event {
	t.Helper()
	got, err := s.Append(t.Context(), stream, want, events...)
	if err != nil {
		t.Fatalf("append to %q: %v", stream, err)
	}
	return got
}

func collect(t *testing.T, events iter.Seq2[eventstore.Event, error]) []eventstore.Event {
	t.Helper()
	var out []eventstore.Event
	for e, err := range events {
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		out = append(out, e)
	}
	return out
}

func streamOf(t *testing.T, s *eventstore.Store, name string) []eventstore.Event {
	t.Helper()
	return collect(t, s.ReadStream(t.Context(), name, 0, eventstore.Forward))
}

func all(t *testing.T, s *eventstore.Store) []eventstore.Event {
	t.Helper()
	return collect(t, s.ReadAll(t.Context(), eventstore.Position{}, eventstore.Filter{}))
}

func ids(events []eventstore.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

// same fails the test unless both hold the same events, all fields compared.
func same(t *testing.T, what string, got, want []eventstore.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d events %v, want %d %v", what, len(got), ids(got), len(want), ids(want))
	}
	for i := range got {
		if !equal(got[i], want[i]) {
			t.Fatalf("%s: event %d is\n%+v, want\n%+v", what, i, got[i], want[i])
		}
	}
}

func equal(a, b eventstore.Event) bool {
	return a.ID == b.ID && a.Type == b.Type && a.Schema == b.Schema && a.Stream == b.Stream &&
		a.Version == b.Version && a.Position == b.Position && bytes.Equal(a.Data, b.Data) &&
		a.Metadata.Correlation == b.Metadata.Correlation && a.Metadata.Causation == b.Metadata.Causation &&
		a.Metadata.Subject == b.Metadata.Subject && a.Metadata.Sealed == b.Metadata.Sealed &&
		maps.Equal(a.Metadata.Extra, b.Metadata.Extra) &&
		a.Time.Equal(b.Time) && a.Time.Location() == time.UTC && a.Erased == b.Erased
}
