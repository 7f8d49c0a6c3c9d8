package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

const writers = 8

// A load is writers that append until they are told to stop, and a subscriber
// that takes down what it gets.
type load struct {
	t     *testing.T
	store *eventstore.Store
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu    sync.Mutex
	acked []eventstore.Event
	lost  int // appends that failed
}

// startLoad begins the writers. Each appends up to five events at a time, to a
// stream of its own or to one that all share, until stop.
func startLoad(t *testing.T, store *eventstore.Store) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{t: t, store: store, stop: stop}
	for w := range writers {
		l.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.write(w, i)
			}
		})
	}
	t.Cleanup(func() { stop(); l.wg.Wait() })
	return l
}

func (l *load) write(w, i int) {
	stream := fmt.Sprint("own-", w)
	if i%4 == 0 {
		stream = "shared"
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	events := eventsOf(fmt.Sprintf("w%d-%d", w, i), 1+rand.IntN(5))
	got, err := l.store.Append(ctx, stream, eventstore.Any, events...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lost++
		l.t.Errorf("append: %v", err)
		return
	}
	l.acked = append(l.acked, got...)
}

// count returns how many events were acknowledged.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// until waits for n more acknowledged events.
func (l *load) until(n int) {
	l.t.Helper()
	goal := l.count() + n
	eventually(l.t, fmt.Sprint(goal, " events are stored"), func() bool { return l.count() >= goal })
}

// end stops the writers and returns what was acknowledged.
func (l *load) end() []eventstore.Event {
	l.stop()
	l.wg.Wait()
	return l.acked
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: ", what)
		}
	}
}

// A follower is a subscription from the beginning.
type follower struct {
	t    *testing.T
	wg   sync.WaitGroup
	stop context.CancelFunc

	mu     sync.Mutex
	events []eventstore.Event
}

func follow(t *testing.T, store *eventstore.Store) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &follower{t: t, stop: stop}
	f.wg.Go(func() {
		for e, err := range store.Subscribe(ctx, eventstore.Position{}, eventstore.Filter{}) {
			if err != nil {
				if ctx.Err() == nil {
					t.Errorf("subscription: %v", err)
				}
				return
			}
			f.mu.Lock()
			f.events = append(f.events, e)
			f.mu.Unlock()
		}
	})
	t.Cleanup(func() { stop(); f.wg.Wait() })
	return f
}

func (f *follower) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.events)
}

// sawAll holds a subscription to what was acknowledged: nothing lost, nothing
// doubled, in order, the versions of each stream without a gap.
func (f *follower) sawAll(acked []eventstore.Event) {
	f.t.Helper()
	eventually(f.t, fmt.Sprintf("%d events at the subscriber", len(acked)), func() bool { return f.count() >= len(acked) })
	f.stop()
	f.wg.Wait()
	if len(f.events) != len(acked) {
		f.t.Errorf("%d events were acknowledged, the subscriber has %d", len(acked), len(f.events))
	}
	at := map[string]eventstore.Event{}
	versions := map[string]int64{}
	var last eventstore.Position
	for _, e := range f.events {
		if _, twice := at[e.ID]; twice {
			f.t.Fatalf("event %s twice", e.ID)
		}
		if at[e.ID] = e; e.Position.Compare(last) <= 0 {
			f.t.Fatalf("event %s at %v comes after %v", e.ID, e.Position, last)
		}
		last = e.Position
		if versions[e.Stream]++; versions[e.Stream] != e.Version {
			f.t.Fatalf("stream %s has version %d as number %d", e.Stream, e.Version, versions[e.Stream])
		}
	}
	for _, e := range acked {
		if got := at[e.ID]; got.Position != e.Position || got.Version != e.Version {
			f.t.Fatalf("event %s was acknowledged at %v, the subscriber has it at %v", e.ID, e.Position, got.Position)
		}
	}
}
