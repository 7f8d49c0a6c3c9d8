package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/eventstore"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// testSubscribe begins after each of some events, catches up, and has more
// appended as soon as it did.
func testSubscribe(t *testing.T, c Config) {
	s := c.open(t)
	log := mustAppend(t, s, "a", eventstore.Any, evs("old", 7)...)
	mustAppend(t, s, "b", eventstore.Any, ev("filtered out"))
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()

	for i := range 6 {
		want := log[i+1:]
		var got []eventstore.Event
		for e, err := range s.Subscribe(ctx, log[i].Position, eventstore.Filter{StreamPrefix: "a"}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
			if len(got) == len(want) && len(want) == len(log)-i-1 {
				live := mustAppend(t, s, fmt.Sprint("a", i), eventstore.Any, evs(fmt.Sprint("live", i), 4)...)
				want = append(slices.Clip(want), live...)
			}
			if len(got) == len(want) {
				break
			}
		}
		same(t, fmt.Sprint("subscription after ", i), got, want)
		log = append(log, want[len(want)-4:]...)
	}
	testSubscribeEnds(t, s)
}

func testSubscribeEnds(t *testing.T, s *eventstore.Store) {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for _, err := range s.Subscribe(ctx, head, eventstore.Filter{}) {
			ended <- err
		}
	}()
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the end of a canceled subscription: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("a canceled subscription goes on")
	}

	major, minor := head.Parts()
	for _, err := range s.Subscribe(t.Context(), eventstore.MakePosition(major, minor+1_000_000), eventstore.Filter{}) {
		if !errors.Is(err, eventstore.ErrAhead) {
			t.Errorf("a checkpoint ahead of the store: %v", err)
		}
	}
}

// testSubscribeUnderLoad has many writers, and subscriptions that give up and
// go on from their checkpoints all the time.
func testSubscribeUnderLoad(t *testing.T, c Config) {
	s := c.open(t)
	testLoad(t, s, s)
}

func testLoad(t *testing.T, writing, reading *eventstore.Store) {
	t.Helper()
	const writers, each = 8, 40
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()

	var readers sync.WaitGroup
	got := make([][]eventstore.Event, 3)
	for r := range got {
		readers.Go(func() {
			got[r] = follow(ctx, t, reading, writers*each, 7+100*r)
		})
	}
	var appends sync.WaitGroup
	for w := range writers {
		appends.Go(func() {
			for i := range each {
				stream := fmt.Sprint("s", (w+i)%3)
				if _, err := writing.Append(ctx, stream, eventstore.Any, ev(fmt.Sprintf("w%d-%d", w, i))); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	appends.Wait()
	readers.Wait()
	want := all(t, writing)
	if len(want) != writers*each {
		t.Fatalf("%d events are stored, want %d", len(want), writers*each)
	}
	for _, events := range got {
		same(t, "subscription", events, want)
	}
	checkVersions(t, want)
}

// follow subscribes from its checkpoint again and again, until it has n events.
func follow(ctx context.Context, t *testing.T, s *eventstore.Store, n, giveUp int) []eventstore.Event {
	t.Helper()
	var got []eventstore.Event
	var checkpoint eventstore.Position
	for len(got) < n {
		count := 0
		for e, err := range s.Subscribe(ctx, checkpoint, eventstore.Filter{}) {
			if err != nil {
				t.Errorf("subscription with %d of %d events: %v", len(got), n, err)
				return got
			}
			got, checkpoint = append(got, e), e.Position
			if count++; count == giveUp || len(got) == n {
				break
			}
		}
	}
	return got
}

// checkVersions holds the events of each stream to versions without a gap.
func checkVersions(t *testing.T, log []eventstore.Event) {
	t.Helper()
	last := map[string]int64{}
	for _, e := range log {
		if last[e.Stream]++; e.Version != last[e.Stream] {
			t.Errorf("stream %s has version %d after %d", e.Stream, e.Version, last[e.Stream]-1)
			return
		}
	}
}
