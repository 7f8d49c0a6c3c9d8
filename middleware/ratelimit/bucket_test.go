package ratelimit_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

func TestTokenBucket_AllowsTheBurstAndThenTheRate(t *testing.T) {
	seeded(t, func(t *testing.T, r *rand.Rand) {
		const limit, per, burst = 10, time.Second, 25
		l := ratelimit.TokenBucket(limit, per, burst)
		log := &naive{}
		for range 5000 {
			pass(someTime(r, per) / 4)
			if cost := 1 + r.IntN(3); allow(t, l, "k", cost).Allowed {
				log.take(time.Now(), cost)
			}
		}
		for _, window := range []time.Duration{per / 10, per, 5 * per, time.Minute} {
			log.window = window
			if most, bound := log.most(), burst+int(limit*window/per); most > bound {
				t.Errorf("%v has %d, more than %d", window, most, bound)
			}
		}
		if n := len(log.times); n < 1000 {
			t.Errorf("only %d were allowed", n)
		}
	})
}

func TestTokenBucket_SpeaksOfItsBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ratelimit.TokenBucket(10, time.Second, 20)
		d := allow(t, l, "k", 5)
		want := ratelimit.Decision{
			Allowed: true, Limit: 20, Window: 2 * time.Second, Remaining: 15, Reset: time.Second / 2,
		}
		if d != want {
			t.Errorf("got %+v, want %+v", d, want)
		}
	})
}
