package redis_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// A naive log is the plainest sliding window: it keeps everything.
type naive struct {
	limit int
	span  int64
	times []int64
}

func (n *naive) used(at int64) (used int) {
	for _, t := range n.times {
		if at-t < n.span {
			used++
		}
	}
	return used
}

func TestSlidingWindow_DecidesAsANaiveLogDoes(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 100} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			client := newClocked(t)
			in := patient(t, client)
			l := in.SlidingWindow("w", limit, virtual)
			log := &naive{limit: limit, span: virtual.Microseconds()}
			for range 2000 {
				client.pass(r)
				cost := 1
				if r.IntN(4) == 0 {
					cost = r.IntN(limit + 1)
				}
				d := allow(t, l, "k", cost)
				checkWindow(t, d, log, client.now, cost)
			}
			checkLogs(t, client, in, limit)
		})
	}
}

func checkWindow(t *testing.T, d ratelimit.Decision, log *naive, now int64, cost int) {
	t.Helper()
	fits := func(at int64) bool { return cost == 0 || log.used(at)+cost <= log.limit }
	if d.Allowed != fits(now) {
		t.Fatalf("cost %d with %d used: %s", cost, log.used(now), sum(d))
	}
	if later := now + d.RetryAfter.Microseconds(); !d.Allowed && (!fits(later) || fits(later-1)) {
		t.Fatalf("a retry after %v is not the first that fits", d.RetryAfter)
	}
	if d.Allowed != (d.RetryAfter == 0) {
		t.Fatal(sum(d))
	}
	for range cost {
		if d.Allowed {
			log.times = append(log.times, now)
		}
	}
	if want := log.limit - log.used(now); d.Remaining != want || d.Limit != log.limit || d.Window.Microseconds() != log.span {
		t.Fatalf("got %s, want %d remaining", sum(d), want)
	}
	if all := now + d.Reset.Microseconds(); log.used(all) > 0 || (d.Reset > 0 && log.used(all-1) == 0) {
		t.Fatalf("a reset in %v is not when all is there again", d.Reset)
	}
}

// The plain generic cell rate algorithm, in fractions.
type cells struct {
	limit, per, burst int64
	whole             *big.Rat // when the budget is whole again
}

func (c *cells) of(n int64) *big.Rat { return big.NewRat(n*c.per, c.limit) }

func (c *cells) at(now int64) *big.Rat {
	if t := big.NewRat(now, 1); c.whole.Cmp(t) < 0 {
		return t
	}
	return new(big.Rat).Set(c.whole)
}

func (c *cells) fits(now, cost int64) bool {
	after := c.at(now)
	after.Add(after, c.of(cost)).Sub(after, c.of(c.burst))
	return cost == 0 || after.Cmp(big.NewRat(now, 1)) <= 0
}

func (c *cells) remaining(now int64) int64 {
	free := new(big.Rat).Add(big.NewRat(now, 1), c.of(c.burst))
	free.Sub(free, c.at(now)).Quo(free, c.of(1))
	return new(big.Int).Quo(free.Num(), free.Denom()).Int64()
}

func TestGCRA_DecidesAsFractionsDo(t *testing.T) {
	for _, c := range []cells{
		{limit: 1, per: virtual.Microseconds(), burst: 1},
		{limit: 3, per: virtual.Microseconds(), burst: 5},
		{limit: 7, per: virtual.Microseconds() + 1, burst: 3},
		{limit: 999_983, per: 8000 * virtual.Microseconds(), burst: 250},
	} {
		t.Run(fmt.Sprintf("%d in %d to %d", c.limit, c.per, c.burst), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			c.whole = new(big.Rat)
			client := newClocked(t)
			l := patient(t, client).GCRA("g", int(c.limit), time.Duration(c.per)*time.Microsecond, int(c.burst))
			var next time.Duration
			for range 2000 {
				client.pass(r)
				if next > 0 && r.IntN(2) == 0 { // to where a refused call fits, or just before
					client.now += next.Microseconds() - int64(r.IntN(2))
				}
				cost := r.Int64N(min(c.burst, 4) + 1)
				if r.IntN(8) == 0 {
					cost = r.Int64N(c.burst + 1)
				}
				d := allow(t, l, "k", int(cost))
				checkCells(t, d, &c, client.now, cost)
				next = d.RetryAfter
			}
		})
	}
}

func checkCells(t *testing.T, d ratelimit.Decision, c *cells, now, cost int64) {
	t.Helper()
	if d.Allowed != c.fits(now, cost) {
		t.Fatalf("cost %d with %d left: %s", cost, c.remaining(now), sum(d))
	}
	if later := now + d.RetryAfter.Microseconds(); !d.Allowed && (!c.fits(later, cost) || c.fits(later-1, cost)) {
		t.Fatalf("a retry after %v is not the first that fits", d.RetryAfter)
	}
	if d.Allowed {
		c.whole = c.at(now)
		c.whole.Add(c.whole, c.of(cost))
	}
	if want := c.remaining(now); int64(d.Remaining) != want || int64(d.Limit) != c.burst {
		t.Fatalf("got %s, want %d remaining", sum(d), want)
	}
	all := now + d.Reset.Microseconds()
	if c.remaining(all) != c.burst || (d.Reset > 0 && c.remaining(all-1) == c.burst) {
		t.Fatalf("a reset in %v is not when all is there again", d.Reset)
	}
}
