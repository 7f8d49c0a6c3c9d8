package ratelimit_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

func TestSlidingCounter_StaysBelowTwiceTheLimit(t *testing.T) {
	seeded(t, func(t *testing.T, r *rand.Rand) {
		const limit, window = 50, time.Second
		l := ratelimit.SlidingCounter(limit, window)
		log := &naive{limit: limit, window: window}
		start := time.Now()
		for range 20_000 {
			pass(someTime(r, window) / 8)
			cost := 1 + r.IntN(3)
			d := allow(t, l, "k", cost)
			if d.Allowed {
				log.take(time.Now(), cost)
			}
			if d.Remaining < 0 || d.Remaining > limit {
				t.Fatalf("got %+v", d)
			}
		}
		if most := log.most(); most >= 2*limit {
			t.Errorf("a window has %d", most)
		}
		if windows := int(time.Since(start)/window) + 1; len(log.times) > (windows+1)*limit {
			t.Errorf("%d in %d windows", len(log.times), windows)
		}
	})
}

// The stated error: a burst at the end of one bucket, and the limit again in
// the next one as the burst fades in the estimate but not in the window.
func TestSlidingCounter_CanReachNearlyTwiceTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, window = 1000, time.Second
		l := ratelimit.SlidingCounter(limit, window)
		toNextBucket(t, l, window)
		log := &naive{limit: limit, window: window}
		pass(window - time.Millisecond)
		for range 1001 {
			for allow(t, l, "k", 1).Allowed {
				log.take(time.Now(), 1)
			}
			pass(time.Millisecond)
		}
		if most := log.most(); most < 1900 || most >= 2000 {
			t.Errorf("a window has %d of the limit of %d", most, limit)
		}
	})
}

// toNextBucket waits until a bucket begins, which a full one tells.
func toNextBucket(t *testing.T, l *ratelimit.Local, window time.Duration) {
	t.Helper()
	d := allow(t, l, "probe", 1)
	pass(d.Reset - window)
}

func TestSlidingCounter_IsRightForSteadyArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, window = 1000, time.Second
		l := ratelimit.SlidingCounter(limit, window)
		log := &naive{limit: limit, window: window}
		for range 10 * limit * 2 { // twice as many as allowed
			pass(window / limit / 2)
			if allow(t, l, "k", 1).Allowed {
				log.take(time.Now(), 1)
			}
		}
		// The first windows are those of a burst.
		settled := &naive{limit: limit, window: window, times: log.times[3*limit:]}
		if most := settled.most(); most > limit*105/100 {
			t.Errorf("a window has %d of the limit of %d", most, limit)
		}
		if n := len(log.times); n < 9*limit || n > 11*limit {
			t.Errorf("%d were allowed in 10 windows of %d", n, limit)
		}
	})
}

func TestLocal_TellsWhenARetryFits(t *testing.T) {
	for name := range algorithms() {
		t.Run(name, func(t *testing.T) {
			seeded(t, func(t *testing.T, r *rand.Rand) {
				l := algorithms()[name]
				for range 2000 {
					pass(someTime(r, time.Second) / 4)
					cost := 1 + r.IntN(100)
					d := allow(t, l, "k", cost)
					if d.Allowed {
						continue
					}
					if d.RetryAfter <= 0 {
						t.Fatalf("got %+v", d)
					}
					// A little before it must not fit, else the wait is too long.
					pass(d.RetryAfter - 3)
					if d.RetryAfter > 3 && r.IntN(2) == 0 && allow(t, l, "k", cost).Allowed {
						t.Fatalf("cost %d fits before %v", cost, d.RetryAfter)
					}
					pass(min(d.RetryAfter, 3))
					if e := allow(t, l, "k", cost); !e.Allowed {
						t.Fatalf("cost %d: after %+v got %+v", cost, d, e)
					}
				}
				d := allow(t, l, "k", 1)
				pass(d.Reset + time.Nanosecond)
				if n := remaining(t, l, "k"); n != 100 {
					t.Errorf("%d remain after the reset of %+v", n, d)
				}
			})
		})
	}
}
