package ratelimit_test

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/time/rate"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

const benchKeys = 100_000

// callers return the keys of callers, in an order that no cache foresees. As in
// a server a key was just made. It is valid until the next one.
func callers(seed uint64) func() string {
	r := rand.New(rand.NewPCG(seed, 0))
	buf := make([]byte, 0, 64)
	return func() string {
		buf = strconv.AppendUint(append(buf[:0], `"https://issuer.example""user-`...), r.Uint64N(benchKeys), 10)
		return unsafe.String(&buf[0], len(buf))
	}
}

func algorithms() map[string]*ratelimit.Local {
	return map[string]*ratelimit.Local{
		"window":  ratelimit.SlidingWindow(100, time.Second),
		"counter": ratelimit.SlidingCounter(100, time.Second),
		"bucket":  ratelimit.TokenBucket(100, time.Second, 100),
	}
}

// One decision among 100,000 keys, beside a plain map of x/time/rate limiters
// under one lock, which forgets nothing and is bounded by nothing.
func BenchmarkAllow(b *testing.B) {
	ctx := b.Context()
	for name, l := range algorithms() {
		for i := range benchKeys {
			_, _ = l.Allow(ctx, `"https://issuer.example""user-`+strconv.Itoa(i), 1)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			next := callers(1)
			for b.Loop() {
				_, _ = l.Allow(ctx, next(), 1)
			}
		})
		// The same without visits to memory that is in no cache.
		b.Run(name+" one key", func(b *testing.B) {
			for b.Loop() {
				_, _ = l.Allow(ctx, `"https://issuer.example""user-1`, 1)
			}
		})
		b.Run(name+" parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				next := callers(1)
				for pb.Next() {
					_, _ = l.Allow(ctx, next(), 1)
				}
			})
		})
	}
	limiters := map[string]*rate.Limiter{}
	var mu sync.Mutex
	allow := func(key string) bool {
		mu.Lock()
		l, ok := limiters[key]
		if !ok {
			l = rate.NewLimiter(100, 100)
			limiters[key] = l
		}
		mu.Unlock()
		return l.Allow()
	}
	for i := range benchKeys {
		allow(`"https://issuer.example""user-` + strconv.Itoa(i))
	}
	b.Run("map of x time rate", func(b *testing.B) {
		next := callers(1)
		for b.Loop() {
			allow(next())
		}
	})
	b.Run("map of x time rate parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			next := callers(1)
			for pb.Next() {
				allow(next())
			}
		})
	})
	b.Run("the keys alone", func(b *testing.B) {
		next := callers(1)
		n := 0
		for b.Loop() {
			n += int(next()[30])
		}
		sink.Add(int64(n))
	})
}

var sink atomic.Int64

// Three rules decided together: principal, tool, all.
func BenchmarkAllowAll(b *testing.B) {
	ctx := b.Context()
	a, c, d := ratelimit.SlidingWindow(100, time.Second), ratelimit.SlidingCounter(1<<28, time.Second), ratelimit.SlidingCounter(1<<28, time.Second)
	run := func(next func() string) {
		charges := [...]ratelimit.Charge{
			{Rule: "caller", Limiter: a, Key: next(), Cost: 1},
			{Rule: "search", Limiter: c, Key: "search", Cost: 1},
			{Rule: "all", Limiter: d, Cost: 1},
		}
		_, _ = ratelimit.AllowAll(ctx, charges[:])
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		next := callers(1)
		for b.Loop() {
			run(next)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			next := callers(1)
			for pb.Next() {
				run(next)
			}
		})
	})
}
