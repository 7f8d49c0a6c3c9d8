package ratelimit_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

const benchKeys = 100_000

// somebody returns keys in an order that no cache foresees.
func somebody() func() string {
	n := uint32(1)
	return func() string {
		n = n*1664525 + 1013904223
		return keys[n>>8%benchKeys]
	}
}

var keys = func() []string {
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = `"https://issuer.example""user-` + strconv.Itoa(i) + `"`
	}
	return keys
}()

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
	for name, l := range algorithms() {
		for _, key := range keys {
			_, _ = l.Allow(b.Context(), key, 1)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			next := somebody()
			for b.Loop() {
				_, _ = l.Allow(context.Background(), next(), 1)
			}
		})
		b.Run(name+" parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				next := somebody()
				for pb.Next() {
					_, _ = l.Allow(context.Background(), next(), 1)
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
	for _, key := range keys {
		allow(key)
	}
	b.Run("map of x time rate", func(b *testing.B) {
		next := somebody()
		for b.Loop() {
			allow(next())
		}
	})
	b.Run("map of x time rate parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			next := somebody()
			for pb.Next() {
				allow(next())
			}
		})
	})
	b.Run("the keys alone", func(b *testing.B) {
		next := somebody()
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
	a, c, d := ratelimit.SlidingWindow(100, time.Second), ratelimit.SlidingWindow(1000, time.Second), ratelimit.SlidingCounter(1<<20, time.Second)
	run := func(next func() string) {
		charges := [...]ratelimit.Charge{
			{Rule: "caller", Limiter: a, Key: next(), Cost: 1},
			{Rule: "search", Limiter: c, Key: "search", Cost: 1},
			{Rule: "all", Limiter: d, Cost: 1},
		}
		_, _ = ratelimit.AllowAll(context.Background(), charges[:])
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		next := somebody()
		for b.Loop() {
			run(next)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			next := somebody()
			for pb.Next() {
				run(next)
			}
		})
	})
}
