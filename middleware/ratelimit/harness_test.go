package ratelimit_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// seeded runs test in virtual time with random numbers that a failure can be
// repeated with.
func seeded(t *testing.T, test func(t *testing.T, r *rand.Rand)) {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) { test(t, rand.New(rand.NewPCG(seed, 0))) })
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// someTime is mostly a small part of w, sometimes several, and often nothing
// or exactly w, where the borders are.
func someTime(r *rand.Rand, w time.Duration) time.Duration {
	switch r.IntN(12) {
	case 0:
		return w
	case 1:
		return time.Duration(r.Int64N(3 * int64(w)))
	case 2:
		return w - 1
	case 3, 4, 5, 6:
		return 0
	}
	return time.Duration(r.Int64N(int64(w) / 4))
}

// allow is Allow without an error.
func allow(t *testing.T, l ratelimit.Limiter, key string, cost int) ratelimit.Decision {
	t.Helper()
	d, err := l.Allow(t.Context(), key, cost)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func remaining(t *testing.T, l ratelimit.Limiter, key string) int {
	t.Helper()
	n, err := l.Remaining(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A naive log is the plainest sliding window: it keeps everything.
type naive struct {
	limit  int
	window time.Duration
	times  []time.Time // one for each unit of cost
}

func (n *naive) used(at time.Time) (used int) {
	for _, t := range slices.Backward(n.times) {
		if at.Sub(t) >= n.window {
			break
		}
		used++
	}
	return used
}

func (n *naive) fits(at time.Time, cost int) bool { return n.used(at)+cost <= n.limit }

func (n *naive) take(at time.Time, cost int) {
	for range cost {
		n.times = append(n.times, at)
	}
}

// most returns the most that any window has: one that begins with an entry.
func (n *naive) most() (most int) {
	slices.SortFunc(n.times, time.Time.Compare)
	end := 0
	for begin := range n.times {
		for end < len(n.times) && n.times[end].Sub(n.times[begin]) < n.window {
			end++
		}
		most = max(most, end-begin)
	}
	return most
}
