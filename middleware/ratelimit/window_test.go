package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

func TestSlidingWindow_DecidesAsANaiveLogDoes(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 100} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			seeded(t, func(t *testing.T, r *rand.Rand) {
				const window = time.Second
				l := ratelimit.SlidingWindow(limit, window)
				log := &naive{limit: limit, window: window}
				for range 4000 {
					pass(someTime(r, window))
					cost := 1
					if r.IntN(4) == 0 {
						cost = r.IntN(limit + 1)
					}
					check(t, allow(t, l, "k", cost), log, cost)
				}
				if most := log.most(); most > limit {
					t.Errorf("a window has %d, the limit is %d", most, limit)
				}
			})
		})
	}
}

// check compares a decision with what a naive log says, and records it there.
func check(t *testing.T, d ratelimit.Decision, log *naive, cost int) {
	t.Helper()
	at := time.Now()
	if d.Allowed != log.fits(at, cost) {
		t.Fatalf("cost %d with %d used: allowed is %v", cost, log.used(at), d.Allowed)
	}
	if d.Allowed {
		log.take(at, cost)
	}
	if want := log.limit - log.used(at); d.Remaining != want || d.Limit != log.limit || d.Window != log.window {
		t.Fatalf("got %+v, want %d remaining", d, want)
	}
	if d.Allowed != (d.RetryAfter == 0) {
		t.Fatalf("got %+v", d)
	}
	if later := at.Add(d.RetryAfter); !d.Allowed && (!log.fits(later, cost) || log.fits(later.Add(-1), cost)) {
		t.Fatalf("a retry after %v is not the first that fits", d.RetryAfter)
	}
	if all := at.Add(d.Reset); log.used(all) > 0 || (d.Reset > 0 && log.used(all.Add(-1)) == 0) {
		t.Fatalf("a reset in %v is not when all is there again", d.Reset)
	}
}

func TestSlidingWindow_HasARefusalTakeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.SlidingWindow(2, time.Second)
		allow(t, l, "k", 2)
		for range 100 {
			pass(9 * time.Millisecond)
			if allow(t, l, "k", 1).Allowed {
				t.Fatal("a third within the window")
			}
		}
		pass(100 * time.Millisecond)
		if !allow(t, l, "k", 2).Allowed {
			t.Error("refusals were counted")
		}
	})
}

func TestSlidingWindow_RefusesForEverWhatNeverFits(t *testing.T) {
	for name, l := range algorithms() {
		d := allow(t, l, "k", 101)
		if d.Allowed || d.RetryAfter != ratelimit.Never || d.Remaining != 100 {
			t.Errorf("%s: got %+v", name, d)
		}
		if d := allow(t, l, "k", 100); !d.Allowed || d.Remaining != 0 {
			t.Errorf("%s: the whole limit at once: got %+v", name, d)
		}
		if d := allow(t, l, "k", 0); !d.Allowed {
			t.Errorf("%s: a cost of zero: got %+v", name, d)
		}
		if _, err := l.Allow(t.Context(), "k", -1); err == nil {
			t.Errorf("%s: took a negative cost", name)
		}
	}
}

// Real time and many goroutines. When a decision was made is known to lie
// between two readings of the clock, so of those that lie within less than a
// window for sure there must be no more than the limit.
func TestLocal_HoldsTheLimitUnderConcurrency(t *testing.T) {
	const limit, window, length = 20, 20 * time.Millisecond, 10 * 20 * time.Millisecond
	type span struct{ from, to time.Time }
	other := ratelimit.SlidingCounter(1<<20, window)
	l := ratelimit.SlidingWindow(limit, window)
	var mu sync.Mutex
	var spans []span
	var wg sync.WaitGroup
	start := time.Now()
	for i := range 8 {
		wg.Go(func() {
			for time.Since(start) < length {
				from := time.Now()
				var d ratelimit.Decision
				var err error
				if i%2 == 0 {
					d, err = l.Allow(t.Context(), "k", 1)
				} else {
					d, err = ratelimit.AllowAll(t.Context(), []ratelimit.Charge{{Limiter: other, Cost: 1}, {Limiter: l, Key: "k", Cost: 1}})
				}
				if err != nil {
					t.Error(err)
					return
				}
				if d.Allowed {
					to := time.Now()
					mu.Lock()
					spans = append(spans, span{from, to})
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for _, first := range spans {
		n := 0
		for _, s := range spans {
			if !s.from.Before(first.from) && s.to.Sub(first.from) < window {
				n++
			}
		}
		if n > limit {
			t.Fatalf("%d within a window, the limit is %d", n, limit)
		}
	}
	if len(spans) < limit {
		t.Errorf("only %d were allowed in all", len(spans))
	}
}

// What is measured with a monotonic clock does not move when the clock is set.
func TestThreat45_TimeIsMonotonic(t *testing.T) {
	if s := ratelimit.Base.String(); !strings.Contains(s, " m=") {
		t.Errorf("times are measured from %s, which has no monotonic reading", s)
	}
}
