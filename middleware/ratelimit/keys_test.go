package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// Keys come, rest, go and come again; each has its own budget all the time, as
// if it had its own log.
func TestLocal_KeysHaveBudgetsOfTheirOwn(t *testing.T) {
	seeded(t, func(t *testing.T, r *rand.Rand) {
		const limit, window, most = 3, time.Second, 1000
		l := ratelimit.SlidingWindow(limit, window).WithMaxKeys(most)
		logs := map[string]*naive{}
		for range 30_000 {
			if r.IntN(20) == 0 {
				pass(time.Duration(r.Int64N(int64(window) / 2)))
			}
			if r.IntN(10_000) == 0 {
				pass(2 * time.Minute)
			}
			key := strconv.Itoa(r.IntN(most))
			log := logs[key]
			if log == nil {
				log = &naive{limit: limit, window: window}
				logs[key] = log
			}
			check(t, allow(t, l, key, 1), log, 1)
		}
		if l.Overflowed() != 0 || l.Keys() > most {
			t.Errorf("%d keys, %d overflowed", l.Keys(), l.Overflowed())
		}
	})
}

// Many more keys than there is room for: whatever moves between a budget of
// its own and a shared one, no key ever gets more than its limit.
func TestLocal_NoKeyGainsByEvictionOrOverflow(t *testing.T) {
	const limit, window = 4, time.Second
	for name, l := range map[string]struct {
		make func() *ratelimit.Local
		most int
	}{
		"window":  {func() *ratelimit.Local { return ratelimit.SlidingWindow(limit, window) }, limit},
		"counter": {func() *ratelimit.Local { return ratelimit.SlidingCounter(limit, window) }, 2*limit - 1},
		"bucket":  {func() *ratelimit.Local { return ratelimit.TokenBucket(limit, window, limit) }, 2 * limit},
	} {
		t.Run(name, func(t *testing.T) {
			seeded(t, func(t *testing.T, r *rand.Rand) {
				for _, most := range []int{1, 5, 600} {
					limiter := l.make().WithMaxKeys(most)
					logs := map[string]*naive{}
					for range 20_000 {
						if r.IntN(2*most) == 0 {
							pass(someTime(r, window))
						}
						key := strconv.Itoa(r.IntN(2 * most))
						if logs[key] == nil {
							logs[key] = &naive{window: window}
						}
						if allow(t, limiter, key, 1).Allowed {
							logs[key].take(time.Now(), 1)
						}
						if n := limiter.Keys(); n > most {
							t.Fatalf("%d keys, the bound is %d", n, most)
						}
					}
					for key, log := range logs {
						if n := log.most(); n > l.most {
							t.Errorf("bound %d: key %s has %d in a window", most, key, n)
						}
					}
					if limiter.Overflowed() == 0 {
						t.Errorf("bound %d: nothing overflowed", most)
					}
				}
			})
		})
	}
}

func TestLocal_KeysBeyondTheBoundShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.SlidingWindow(3, time.Second).WithMaxKeys(2)
		allow(t, l, "a", 1)
		allow(t, l, "b", 1)
		for i := range 3 {
			if !allow(t, l, fmt.Sprint("new ", i), 1).Allowed {
				t.Fatal("the shared budget is not the limit")
			}
		}
		if d := allow(t, l, "another", 1); d.Allowed || d.RetryAfter != time.Second {
			t.Errorf("beyond the shared budget: %+v", d)
		}
		if n := remaining(t, l, "a"); n != 2 {
			t.Errorf("a key of its own has %d left", n)
		}
		if l.Keys() != 2 || l.Overflowed() != 3 {
			t.Errorf("%d keys, %d overflowed", l.Keys(), l.Overflowed())
		}
	})
}

func TestLocal_AKeyWithRoomStartsWithWhatItMayHaveShared(t *testing.T) {
	for name := range algorithms() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := algorithms()[name].WithMaxKeys(1)
				idle := allow(t, l, "a", 1).Reset
				pass(idle - 5*time.Millisecond)
				allow(t, l, "b", 60) // shared: a holds the only place
				pass(5 * time.Millisecond)
				shared := remaining(t, l, "b")
				if shared > 41 {
					t.Fatalf("%d remain of what is shared", shared)
				}
				allow(t, l, "b", 1) // in the place of a
				if l.Overflowed() != 1 {
					t.Fatalf("%d overflowed", l.Overflowed())
				}
				if n := remaining(t, l, "b"); n > shared-1 || n < shared-2 {
					t.Errorf("%d remain with room, %d did without", n, shared)
				}
				pass(2 * time.Second)
				if n := remaining(t, l, "b"); n != 100 {
					t.Errorf("%d remain in the end", n)
				}
			})
		})
	}
}

func TestLocal_NoKeyIsEvictedBeforeAllOfItsBudgetIsThere(t *testing.T) {
	for name := range algorithms() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := algorithms()[name].WithMaxKeys(1)
				for i := range 10 {
					allow(t, l, fmt.Sprint("held", i), 100)
					d := allow(t, l, fmt.Sprint("held", i), 0)
					pass(d.Reset * time.Duration(i) / 10)
					for range 3 {
						before := remaining(t, l, fmt.Sprint("held", i))
						allow(t, l, "new", 1)
						if n := remaining(t, l, fmt.Sprint("held", i)); n != before {
							t.Fatalf("after %d tenths of its reset a key has %d, had %d", i, n, before)
						}
					}
					pass(4 * time.Second)
				}
				if l.Overflowed() != 30 {
					t.Errorf("%d overflowed", l.Overflowed())
				}
			})
		})
	}
}

func TestLocal_IdleKeysMakeRoom(t *testing.T) {
	for name := range algorithms() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := algorithms()[name].WithMaxKeys(100)
				for round := range 5 {
					for i := range 100 {
						allow(t, l, fmt.Sprint(round, i), 100)
					}
					pass(2 * time.Second)
				}
				if l.Keys() > 100 || l.Overflowed() != 0 {
					t.Errorf("%d keys, %d overflowed", l.Keys(), l.Overflowed())
				}
				// With room to spare idle keys go, too, if not at once.
				roomy := algorithms()[name].WithMaxKeys(1000)
				for i := range 100 {
					allow(t, roomy, fmt.Sprint("early", i), 1)
				}
				pass(5 * time.Second)
				allow(t, roomy, "another", 1)
				if n := roomy.Keys(); n != 101 {
					t.Errorf("%d keys are kept, though there is room for all", n)
				}
				pass(2 * time.Minute)
				for i := range 100 {
					allow(t, roomy, fmt.Sprint("late", i), 1)
				}
				if n := roomy.Keys(); n > 120 {
					t.Errorf("%d keys are kept, 100 of them idle for minutes", n)
				}
			})
		})
	}
}

func TestLocal_KeysMayBeLong(t *testing.T) {
	l := ratelimit.SlidingWindow(1, time.Hour)
	long := strings.Repeat("x", 1<<20)
	for _, key := range []string{long + "a", long + "b", "", "\x00"} {
		if !allow(t, l, key, 1).Allowed {
			t.Errorf("a key of %d bytes shares a budget", len(key))
		}
		if allow(t, l, key, 1).Allowed {
			t.Errorf("a key of %d bytes has two budgets", len(key))
		}
	}
}

func TestLocal_TellsOfMistakes(t *testing.T) {
	for name, l := range map[string]*ratelimit.Local{
		"no limit":            ratelimit.SlidingWindow(0, time.Second),
		"negative limit":      ratelimit.SlidingCounter(-1, time.Second),
		"large log":           ratelimit.SlidingWindow(1<<16+1, time.Second),
		"large limit":         ratelimit.SlidingCounter(1<<30+1, time.Second),
		"no window":           ratelimit.SlidingWindow(1, 0),
		"negative window":     ratelimit.SlidingCounter(1, -time.Second),
		"endless window":      ratelimit.SlidingCounter(1, 1<<62),
		"no burst":            ratelimit.TokenBucket(1, time.Second, 0),
		"no rate":             ratelimit.TokenBucket(0, time.Second, 1),
		"negative rate":       ratelimit.TokenBucket(-1, time.Second, 1),
		"no time":             ratelimit.TokenBucket(1, 0, 1),
		"never full":          ratelimit.TokenBucket(1, 300*24*time.Hour, 1<<30),
		"no keys":             ratelimit.SlidingWindow(1, time.Second).WithMaxKeys(0),
		"no keys of a broken": ratelimit.SlidingWindow(0, time.Second).WithMaxKeys(10),
	} {
		if _, err := l.Allow(t.Context(), "", 1); err == nil {
			t.Errorf("%s: Allow works", name)
		}
		if _, err := l.Remaining(t.Context(), ""); err == nil {
			t.Errorf("%s: Remaining works", name)
		}
		if _, err := ratelimit.AllowAll(t.Context(), []ratelimit.Charge{{Limiter: l}}); err == nil {
			t.Errorf("%s: AllowAll works", name)
		}
		if _, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{{Name: "r", Limiter: l}}}); err == nil {
			t.Errorf("%s: New takes it", name)
		}
		if l.Keys() != 0 || l.Overflowed() != 0 {
			t.Errorf("%s: counts", name)
		}
	}
}
