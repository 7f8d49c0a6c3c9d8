package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

// An attempt is what one client saw of one append.
type attempt struct {
	began, ended int64 // on a clock that all clients share
	first, last  int64 // versions, when it was stored
	actual       int64 // of the conflict, when it was not
	stored       bool
}

// testLinearizable lets clients race for exact versions of one stream. A stream
// is a counter that only its next number changes, so that its history can be
// judged directly: each append must have taken effect within its own time, and
// each conflict must name a version that was the last one within its time.
func testLinearizable(t *testing.T, c Config) {
	s := c.open(t)
	const clients, rounds = 8, 40
	var clock atomic.Int64
	history := make([][]attempt, clients)
	var wg sync.WaitGroup
	for client := range clients {
		rng := rand.New(rand.NewPCG(1, uint64(client)))
		wg.Go(func() {
			guess := int64(0)
			for round := range rounds {
				a := attempt{began: clock.Add(1)}
				events := evs(fmt.Sprintf("c%d-%d", client, round), 1+rng.IntN(2))
				stored, err := s.Append(t.Context(), "x", eventstore.Expected(guess), events...)
				a.ended = clock.Add(1)
				var conflict *eventstore.ConflictError
				switch {
				case err == nil:
					a.stored, a.first, a.last = true, stored[0].Version, stored[len(stored)-1].Version
					if a.first != guess+1 {
						t.Errorf("expecting %d the first version is %d", guess, a.first)
					}
					guess = a.last
				case errors.As(err, &conflict):
					a.actual = conflict.Actual
					guess = conflict.Actual
				default:
					t.Errorf("append: %v", err)
					return
				}
				history[client] = append(history[client], a)
			}
		})
	}
	wg.Wait()
	judge(t, history, streamOf(t, s, "x"))
}

func judge(t *testing.T, history [][]attempt, log []eventstore.Event) {
	t.Helper()
	by := make([]*attempt, len(log)+1) // by[v] stored version v
	for _, client := range history {
		for _, a := range client {
			for v := a.first; a.stored && v <= a.last; v++ {
				if v > int64(len(log)) || by[v] != nil {
					t.Fatalf("version %d was given twice or is not stored", v)
				}
				by[v] = &a
			}
		}
	}
	began := int64(0)
	for v := 1; v < len(by); v++ {
		if by[v] == nil {
			t.Fatalf("version %d was acknowledged to nobody", v)
		}
		if by[v].ended < began {
			t.Errorf("version %d was stored before a smaller one began", v)
		}
		began = max(began, by[v].began)
	}
	for _, client := range history {
		for _, a := range client {
			if a.stored {
				continue
			}
			if a.actual > 0 && by[a.actual].began > a.ended {
				t.Errorf("a conflict with version %d ended before that began", a.actual)
			}
			if next := a.actual + 1; next < int64(len(by)) && by[next].ended < a.began {
				t.Errorf("a conflict with version %d began after the next was stored", a.actual)
			}
		}
	}
}

func testContext(t *testing.T, c Config) {
	s := c.open(t)
	mustAppend(t, s, "a", eventstore.Any, ev("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, "a", eventstore.Any, ev("b")); !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v", err)
	}
	for _, err := range s.ReadStream(ctx, "a", 0, eventstore.Forward) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("read of a stream: %v", err)
		}
	}
	if _, err := s.Head(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("head: %v", err)
	}
	if got := all(t, s); len(got) != 1 {
		t.Errorf("the store has %v", ids(got))
	}
}
