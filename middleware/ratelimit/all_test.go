package ratelimit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// together is AllowAll without an error.
func together(t *testing.T, charges ...ratelimit.Charge) ratelimit.Decision {
	t.Helper()
	d, err := ratelimit.AllowAll(t.Context(), charges)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAllowAll_DecidesAsNaiveLogsDo(t *testing.T) {
	seeded(t, func(t *testing.T, r *rand.Rand) {
		logs := []*naive{
			{limit: 5, window: time.Second}, {limit: 12, window: 3 * time.Second}, {limit: 30, window: time.Minute},
		}
		charges := make([]ratelimit.Charge, len(logs))
		for i, n := range logs {
			charges[i] = ratelimit.Charge{Limiter: ratelimit.SlidingWindow(n.limit, n.window), Rule: string(rune('a' + i))}
		}
		for range 4000 {
			pass(someTime(r, time.Second))
			if r.IntN(50) == 0 {
				pass(time.Minute)
			}
			at, fits := time.Now(), true
			for i := range charges {
				charges[i].Cost = r.IntN(3)
				fits = fits && logs[i].fits(at, charges[i].Cost)
			}
			r.Shuffle(len(charges), func(i, j int) {
				charges[i], charges[j], logs[i], logs[j] = charges[j], charges[i], logs[j], logs[i]
			})
			d := together(t, charges...)
			if d.Allowed != fits {
				t.Fatalf("allowed is %v, want %v", d.Allowed, fits)
			}
			least, longest := 1<<30, time.Duration(0)
			for i, c := range charges {
				if fits {
					logs[i].take(at, c.Cost)
				}
				left := logs[i].limit - logs[i].used(at)
				if got := remaining(t, c.Limiter, ""); got != left {
					t.Fatalf("rule %s has %d left, want %d", c.Rule, got, left)
				}
				least = min(least, left)
				if !fits {
					longest = max(longest, allowedAfter(logs[i], at, c.Cost))
				}
			}
			if d.Rule == "" || d.RetryAfter != longest || (fits && d.Remaining != least) {
				t.Fatalf("got %+v, want %d remaining and a retry after %v", d, least, longest)
			}
		}
	})
}

// allowedAfter returns how long n has to wait for cost.
func allowedAfter(n *naive, at time.Time, cost int) time.Duration {
	if n.fits(at, cost) {
		return 0
	}
	for i := range n.times {
		if later := n.times[i].Add(n.window); later.After(at) && n.fits(later, cost) {
			return later.Sub(at)
		}
	}
	return -1
}

// Nobody sees a budget short of what a refused call wanted, not for a moment:
// whoever reads it finds it whole.
func TestAllowAll_RefusalsAreNeverSeen(t *testing.T) {
	free, spent := ratelimit.SlidingWindow(1, time.Hour), ratelimit.SlidingWindow(1, time.Hour)
	allow(t, spent, "", 1)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				if d, err := ratelimit.AllowAll(t.Context(), []ratelimit.Charge{
					{Limiter: free, Cost: 1}, {Limiter: spent, Cost: 1},
				}); err != nil || d.Allowed {
					t.Errorf("got %+v, %v", d, err)
					return
				}
			}
		})
	}
	for range 20_000 {
		if remaining(t, free, "") != 1 {
			t.Error("a refused call holds a budget")
			break
		}
	}
	stop.Store(true)
	wg.Wait()
	if !allow(t, free, "", 1).Allowed {
		t.Error("the budget is gone")
	}
}

// Limiters are locked in one order, whatever that of the charges.
func TestAllowAll_TakesAnyOrderOfLimiters(t *testing.T) {
	var limiters []*ratelimit.Local
	for range 4 {
		limiters = append(limiters, ratelimit.SlidingCounter(1<<20, time.Hour))
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 2000 {
				var charges []ratelimit.Charge
				for _, j := range r.Perm(len(limiters)) {
					charges = append(charges, ratelimit.Charge{Limiter: limiters[j], Cost: 1})
				}
				if d, err := ratelimit.AllowAll(t.Context(), charges); err != nil || !d.Allowed {
					t.Errorf("got %+v, %v", d, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, l := range limiters {
		if n := 1<<20 - remaining(t, l, ""); n != 8*2000 {
			t.Errorf("%d were taken, want %d", n, 8*2000)
		}
	}
}

// Whoever waits for the lock of one limiter has those of all before it, also
// if its charges are the other way round.
func TestAllowAll_LocksInOneOrder(t *testing.T) {
	first, second := ratelimit.SlidingWindow(1, time.Second), ratelimit.SlidingWindow(1, time.Second)
	release, ok := ratelimit.TryHold(second, "")
	if !ok {
		t.Fatal("held by nobody")
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if d, err := ratelimit.AllowAll(t.Context(), []ratelimit.Charge{{Limiter: second, Cost: 1}, {Limiter: first, Cost: 1}}); err != nil || !d.Allowed {
			t.Errorf("got %+v, %v", d, err)
		}
	})
	defer wg.Wait()
	defer release()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		unlock, ok := ratelimit.TryHold(first, "")
		if !ok {
			return
		}
		unlock()
		<-tick.C
	}
	t.Error("it waits without the lock that comes first")
}

func TestAllowAll_ReportsTheTightest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := func(limit int, window time.Duration, used, cost int, rule string) ratelimit.Charge {
			l := ratelimit.SlidingWindow(limit, window)
			allow(t, l, "", used)
			return ratelimit.Charge{Rule: rule, Limiter: l, Cost: cost}
		}
		for want, charges := range map[string][]ratelimit.Charge{
			"never":    {one(5, time.Hour, 5, 1, "long"), one(5, time.Minute, 0, 6, "never"), one(5, time.Minute, 0, 1, "fits")},
			"long":     {one(5, time.Minute, 5, 1, "short"), one(5, time.Hour, 5, 1, "long"), one(1, time.Hour, 0, 1, "fits")},
			"least":    {one(5, time.Hour, 0, 1, "more"), one(9, time.Minute, 5, 1, "least")},
			"slow":     {one(5, time.Minute, 0, 1, "quick"), one(5, time.Hour, 0, 1, "slow")},
			"the only": {one(5, time.Minute, 0, 0, "the only")},
		} {
			if d := together(t, charges...); d.Rule != want {
				t.Errorf("got %+v, want rule %s", d, want)
			}
			slices.Reverse(charges)
			for i := range charges { // the same again, the other way round
				charges[i].Cost = max(charges[i].Cost, 1)
			}
			if d := together(t, charges...); d.Rule != want {
				t.Errorf("the other way round: got %+v, want rule %s", d, want)
			}
		}
	})
}

func TestAllowAll_RefusesWhatItCannotDecide(t *testing.T) {
	l := ratelimit.SlidingWindow(1, time.Second)
	var many []ratelimit.Charge
	for range 9 {
		many = append(many, ratelimit.Charge{Limiter: ratelimit.SlidingWindow(1, time.Second), Cost: 1})
	}
	for name, charges := range map[string][]ratelimit.Charge{
		"too many":        many,
		"a limiter twice": {{Limiter: l, Key: "a", Cost: 1}, many[0], {Limiter: l, Key: "b", Cost: 1}},
		"a negative cost": {{Limiter: l, Cost: -1}},
		"two places":      {{Limiter: &remote{}, Cost: 1}, {Limiter: &remote{}, Cost: 1}},
	} {
		if _, err := ratelimit.AllowAll(t.Context(), charges); err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := remaining(t, l, "a"); n != 1 {
			t.Errorf("%s: something was taken", name)
		}
	}
	if d := together(t); !d.Allowed {
		t.Errorf("no charges: %+v", d)
	}
}

// A remote limiter answers what it is told to.
type remote struct {
	ask   func() (ratelimit.Decision, error)
	place string // those of one place join each other
	calls [][]ratelimit.Charge
}

func (r *remote) Allow(context.Context, string, int) (ratelimit.Decision, error) {
	if r.ask == nil {
		return ratelimit.Decision{Allowed: true, Limit: 1 << 20, Remaining: 1 << 20}, nil
	}
	return r.ask()
}

func (r *remote) Remaining(context.Context, string) (int, error) { return 0, nil }

// A joint limiter is remote and joins others.
type joint struct{ remote }

func (j *joint) Joins(other ratelimit.Limiter) bool {
	o, ok := other.(*joint)
	return ok && o.place == j.place
}

func (j *joint) AllowAll(_ context.Context, charges []ratelimit.Charge) (ratelimit.Decision, error) {
	j.calls = append(j.calls, charges)
	d, err := j.ask()
	d.Rule = charges[len(charges)-1].Rule
	return d, err
}

var (
	errGone = errors.New("dial tcp 10.0.0.1:6379: connection refused")
	refused = ratelimit.Decision{Limit: 5, Window: time.Minute, RetryAfter: time.Second}
)

func TestAllowAll_GivesBackWhatARemoteRefuses(t *testing.T) {
	for name, l := range algorithms() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := l.WithMaxKeys(10)
				allow(t, l, "k", 2)
				r := &remote{}
				r.ask = func() (ratelimit.Decision, error) {
					if n := remaining(t, l, "k"); n != 95 {
						t.Errorf("%d remain while the remote is asked", n)
					}
					allow(t, l, "k", 1) // others come and go meanwhile
					allow(t, l, "k", 1)
					return refused, nil
				}
				d := together(t,
					ratelimit.Charge{Rule: "far", Limiter: r, Cost: 1}, ratelimit.Charge{Rule: "near", Limiter: l, Key: "k", Cost: 3})
				if want := (ratelimit.Decision{Rule: "far", Limit: 5, Window: time.Minute, RetryAfter: time.Second}); d != want {
					t.Errorf("got %+v", d)
				}
				if n := remaining(t, l, "k"); n != 96 {
					t.Errorf("%d remain, want 96", n)
				}
			})
		})
	}
}

func TestAllowAll_KeepsWhatARemoteAgreesTo(t *testing.T) {
	for name, l := range algorithms() {
		synctest.Test(t, func(t *testing.T) {
			d := together(t, ratelimit.Charge{Limiter: l, Key: "k", Cost: 30}, ratelimit.Charge{Limiter: &remote{}, Cost: 1})
			if n := remaining(t, l, "k"); n != 70 || !d.Allowed || d.Remaining != 70 {
				t.Errorf("%s: %d remain after %+v", name, n, d)
			}
		})
	}
}

// What was held while the bucket was full by itself is no gift when it comes back.
func TestAllowAll_GivesBackNoMoreThanIsMissing(t *testing.T) {
	for name, l := range algorithms() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := &remote{ask: func() (ratelimit.Decision, error) {
					pass(5 * time.Second)
					allow(t, l, "k", remaining(t, l, "k"))
					return refused, nil
				}}
				together(t, ratelimit.Charge{Limiter: l, Key: "k", Cost: 30}, ratelimit.Charge{Limiter: far, Cost: 1})
				if n := remaining(t, l, "k"); n > 30 || (name != "bucket" && n != 0) {
					t.Errorf("%d remain", n)
				}
				pass(5 * time.Second)
				if n := remaining(t, l, "k"); n != 100 {
					t.Errorf("%d remain in the end", n)
				}
			})
		})
	}
}

func TestAllowAll_GivesBackWhenARemotePanics(t *testing.T) {
	for name, l := range algorithms() {
		far := &remote{ask: func() (ratelimit.Decision, error) { panic("far") }}
		func() {
			defer func() { _ = recover() }()
			together(t, ratelimit.Charge{Limiter: l, Key: "k", Cost: 30}, ratelimit.Charge{Limiter: far, Cost: 1})
		}()
		if n := remaining(t, l, "k"); n != 100 {
			t.Errorf("%s: %d remain", name, n)
		}
	}
}

func TestAllowAll_GivesBackWhatWasShared(t *testing.T) {
	for name, l := range algorithms() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := l.WithMaxKeys(1)
				allow(t, l, "a", 50)
				far := &remote{ask: func() (ratelimit.Decision, error) { return refused, nil }}
				together(t, ratelimit.Charge{Limiter: l, Key: "b", Cost: 70}, ratelimit.Charge{Limiter: far, Cost: 1})
				if n := remaining(t, l, "c"); n != 100 || l.Overflowed() != 1 {
					t.Errorf("%d remain of what is shared, %d overflowed", n, l.Overflowed())
				}
				if n := remaining(t, l, "a"); n != 50 {
					t.Errorf("%d remain of a budget that has nothing to do with it", n)
				}
			})
		})
	}
}

func TestAllowAll_GivesBackWithoutAGrantBeyondTheLimit(t *testing.T) {
	for name, most := range map[string]int{"window": 10, "counter": 19, "bucket": 20} {
		t.Run(name, func(t *testing.T) {
			seeded(t, func(t *testing.T, r *rand.Rand) {
				const window = time.Second
				var l *ratelimit.Local
				switch name {
				case "window":
					l = ratelimit.SlidingWindow(10, window)
				case "counter":
					l = ratelimit.SlidingCounter(10, window)
				case "bucket":
					l = ratelimit.TokenBucket(10, window, 10)
				}
				l = l.WithMaxKeys(2) // of three: what is given back may be shared
				var mu sync.Mutex
				logs := [3]naive{{window: window}, {window: window}, {window: window}}
				var wg sync.WaitGroup
				for range 6 {
					r := rand.New(rand.NewPCG(r.Uint64(), 2))
					wg.Go(func() {
						for range 500 {
							pass(someTime(r, window) / 8)
							key, cost := r.IntN(3), 1+r.IntN(2)
							var at time.Time // that of the decision: the remote is asked in the same moment
							far := &remote{ask: func() (ratelimit.Decision, error) {
								at = time.Now()
								pass(someTime(r, window))
								switch r.IntN(4) {
								case 0:
									return refused, nil
								case 1:
									return ratelimit.Decision{}, errGone
								}
								return ratelimit.Decision{Allowed: true}, nil
							}}
							d, _ := ratelimit.AllowAll(t.Context(), []ratelimit.Charge{
								{Limiter: l, Key: string(rune('a' + key)), Cost: cost}, {Limiter: far, Cost: 1},
							})
							if d.Allowed {
								mu.Lock()
								logs[key].take(at, cost)
								mu.Unlock()
							}
						}
					})
				}
				wg.Wait()
				for i := range logs {
					if n := logs[i].most(); n > most || len(logs[i].times) < 50 {
						t.Errorf("a window has %d of %d in all", n, len(logs[i].times))
					}
				}
				pass(time.Minute)
				for i := range logs {
					if n := remaining(t, l, string(rune('a'+i))); n != 10 {
						t.Errorf("%d remain after all was given back", n)
					}
				}
			})
		})
	}
}

func TestAllowAll_ARemoteThatCannotDecideIsUnavailable(t *testing.T) {
	l := ratelimit.SlidingWindow(5, time.Hour)
	gone := &remote{ask: func() (ratelimit.Decision, error) { return ratelimit.Decision{}, errGone }}
	charges := []ratelimit.Charge{{Limiter: gone, Cost: 1}, {Limiter: l, Cost: 1}}
	_, err := ratelimit.AllowAll(t.Context(), charges)
	if e := mcperrors.From(err); e == nil || e.Code != mcperrors.Unavailable || strings.Contains(e.Text(), "10.0.0.1") || !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
	if n := remaining(t, l, ""); n != 5 {
		t.Errorf("%d remain", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone.ask = func() (ratelimit.Decision, error) { cancel(); return ratelimit.Decision{}, ctx.Err() }
	if _, err = ratelimit.AllowAll(ctx, charges); mcperrors.CodeOf(err) != mcperrors.Canceled {
		t.Errorf("a caller that left: %v", err)
	}
}

func TestAllowAll_AsksJointLimitersOnceAndNotInVain(t *testing.T) {
	l := ratelimit.SlidingWindow(1, time.Hour)
	a, b := &joint{remote{place: "x"}}, &joint{remote{place: "x"}}
	a.ask = func() (ratelimit.Decision, error) { return ratelimit.Decision{Allowed: true, Remaining: 7}, nil }
	charges := []ratelimit.Charge{
		{Rule: "a", Limiter: a, Key: "1", Cost: 1}, {Rule: "l", Limiter: l, Cost: 1}, {Rule: "b", Limiter: b, Key: "2", Cost: 2},
	}
	if d := together(t, charges...); !d.Allowed || d.Rule != "l" || d.Remaining != 0 {
		t.Errorf("got %+v", d)
	}
	if len(a.calls) != 1 || len(b.calls) != 0 || len(a.calls[0]) != 2 || a.calls[0][1] != charges[2] {
		t.Errorf("calls: %v, %v", a.calls, b.calls)
	}
	if d := together(t, charges...); d.Allowed || d.Rule != "l" || len(a.calls) != 1 {
		t.Errorf("a call that a local limiter refuses: %+v, %d calls", d, len(a.calls))
	}
	b.place = "y"
	if _, err := ratelimit.AllowAll(t.Context(), []ratelimit.Charge{charges[0], charges[2]}); err == nil {
		t.Error("limiters in two places decide together")
	}
}
