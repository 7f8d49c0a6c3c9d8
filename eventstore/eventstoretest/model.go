package eventstoretest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

// testModel runs random operations against the backend and against a model
// that is as simple as can be: a slice.
func testModel(t *testing.T, c Config) {
	for range 5 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("Seed", seed), func(t *testing.T) {
			m := model{t: t, s: c.open(t), rng: rand.New(rand.NewPCG(seed, 0))}
			for range 120 {
				m.step()
			}
			same(t, "all", all(t, m.s), m.log)
		})
	}
}

type model struct {
	t   *testing.T
	s   *eventstore.Store
	rng *rand.Rand
	log []eventstore.Event
	n   int
}

func (m *model) step() {
	stream := fmt.Sprint("s", m.rng.IntN(4))
	switch m.rng.IntN(20) {
	case 0:
		m.ended(stream, eventstore.TypeDeleted, m.s.Delete(m.t.Context(), stream, eventstore.Any))
	case 1:
		if m.rng.IntN(3) == 0 {
			m.ended(stream, eventstore.TypeTombstone, m.s.Tombstone(m.t.Context(), stream, eventstore.Any))
		}
	case 2, 3, 4:
		m.retry()
	case 5, 6, 7:
		m.read(stream)
	default:
		m.append(stream)
	}
}

// of returns all events of a stream, those a reader sees, and if it is tombstoned.
func (m *model) of(stream string) (whole, seen []eventstore.Event, dead bool) {
	for _, e := range m.log {
		if e.Stream != stream {
			continue
		}
		whole, seen = append(whole, e), append(seen, e)
		if e.Type == eventstore.TypeDeleted || e.Type == eventstore.TypeTombstone {
			seen, dead = nil, e.Type == eventstore.TypeTombstone
		}
	}
	return whole, seen, dead
}

func (m *model) append(stream string) {
	whole, seen, dead := m.of(stream)
	events := make([]eventstore.Event, 1+m.rng.IntN(5))
	for i := range events {
		m.n++
		events[i] = ev(fmt.Sprint("e", m.n))
		events[i].Type = fmt.Sprint("t", m.rng.IntN(3))
	}
	expected := eventstore.Expected(m.rng.IntN(4) - 2 + m.rng.IntN(2)*len(whole))
	got, err := m.s.Append(m.t.Context(), stream, expected, events...)

	fits := expected == eventstore.Any ||
		expected == eventstore.NoStream && len(seen) == 0 ||
		expected == eventstore.Exists && len(seen) > 0 ||
		expected > 0 && int(expected) == len(whole)
	var conflict *eventstore.ConflictError
	switch {
	case dead:
		if !errors.Is(err, eventstore.ErrTombstoned) {
			m.t.Fatalf("append to a tombstoned stream: %v", err)
		}
	case !fits:
		if !errors.As(err, &conflict) || conflict.Actual != int64(len(whole)) {
			m.t.Fatalf("append expecting %v of %d events, %d seen: %v", expected, len(whole), len(seen), err)
		}
	case err != nil:
		m.t.Fatalf("append expecting %v of %d events, %d seen: %v", expected, len(whole), len(seen), err)
	default:
		m.grow(stream, len(whole), got)
		for i := range got {
			if got[i].ID != events[i].ID || got[i].Type != events[i].Type || string(got[i].Data) != string(events[i].Data) {
				m.t.Fatalf("appended %+v, stored %+v", events[i], got[i])
			}
		}
	}
}

// grow adds what was stored to the model.
func (m *model) grow(stream string, version int, got []eventstore.Event) {
	for i, e := range got {
		if e.Stream != stream || e.Version != int64(version+i+1) {
			m.t.Fatalf("event %d after version %d of %s is %+v", i, version, stream, e)
		}
		if n := len(m.log); n > 0 && e.Position.Compare(m.log[n-1].Position) <= 0 {
			m.t.Fatalf("position %v after %v", e.Position, m.log[n-1].Position)
		}
		m.log = append(m.log, e)
	}
}

func (m *model) ended(stream, typ string, err error) {
	whole, seen, dead := m.of(stream)
	var conflict *eventstore.ConflictError
	switch {
	case dead && typ == eventstore.TypeTombstone && err == nil:
	case dead && errors.Is(err, eventstore.ErrTombstoned):
	case !dead && typ == eventstore.TypeDeleted && len(seen) == 0 && errors.As(err, &conflict):
	case !dead && err == nil && (typ == eventstore.TypeTombstone || len(seen) > 0):
		var after eventstore.Position
		if n := len(m.log); n > 0 {
			after = m.log[n-1].Position
		}
		got := collect(m.t, m.s.ReadAll(m.t.Context(), after, eventstore.Filter{}))
		if len(got) != 1 || got[0].Type != typ {
			m.t.Fatalf("after %s of %s the log has %v more", typ, stream, ids(got))
		}
		m.grow(stream, len(whole), got)
	default:
		m.t.Fatalf("%s of %s with %d events, %d seen: %v", typ, stream, len(whole), len(seen), err)
	}
}

// retry repeats the append of an event that is stored.
func (m *model) retry() {
	if len(m.log) == 0 {
		return
	}
	e := m.log[m.rng.IntN(len(m.log))]
	if e.Type[0] == '$' {
		return
	}
	same(m.t, "retry", mustAppend(m.t, m.s, e.Stream, eventstore.NoStream, e), []eventstore.Event{e})
}

func (m *model) read(stream string) {
	_, want, dead := m.of(stream)
	if dead {
		return
	}
	from := int64(m.rng.IntN(10))
	got := collect(m.t, m.s.ReadStream(m.t.Context(), stream, from, eventstore.Forward))
	forward := slices.DeleteFunc(slices.Clone(want), func(e eventstore.Event) bool { return e.Version < from })
	same(m.t, fmt.Sprint("forward from ", from), got, forward)

	got = collect(m.t, m.s.ReadStream(m.t.Context(), stream, from, eventstore.Backward))
	backward := slices.DeleteFunc(slices.Clone(want), func(e eventstore.Event) bool { return from > 0 && e.Version > from })
	slices.Reverse(backward)
	same(m.t, fmt.Sprint("backward from ", from), got, backward)

	f := eventstore.Filter{Types: []string{fmt.Sprint("t", m.rng.IntN(3))}, StreamPrefix: stream[:1+m.rng.IntN(2)]}
	selected := slices.DeleteFunc(slices.Clone(m.log), func(e eventstore.Event) bool { return !f.Match(e) })
	same(m.t, fmt.Sprintf("%+v", f), collect(m.t, m.s.ReadAll(m.t.Context(), eventstore.Position{}, f)), selected)
}
