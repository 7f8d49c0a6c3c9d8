package redis_test

import (
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// A decision beside a PING on the same connection, in turns: x/PING is what to
// look at.
func BenchmarkDecision(b *testing.B) {
	client := dial(b)
	in := patient(b, client)
	window, spent, cells := in.SlidingWindow("w", 1000, time.Second), in.SlidingWindow("s", 1, time.Hour), in.GCRA("g", 1<<20, time.Second, 1<<20)
	allow(b, spent, "k", 1)
	third := in.SlidingWindow("third", 1<<16, time.Millisecond)
	for name, charges := range map[string][]ratelimit.Charge{
		"window":        {{Limiter: window, Key: "k", Cost: 1}},
		"gcra":          {{Limiter: cells, Key: "k", Cost: 1}},
		"refusal":       {{Limiter: spent, Key: "k", Cost: 1}},
		"three at once": {{Limiter: window, Key: "x", Cost: 1}, {Limiter: cells, Key: "x", Cost: 1}, {Limiter: third, Key: "x", Cost: 1}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var pings time.Duration
			for b.Loop() {
				b.StopTimer()
				pings += ping(b, client)
				b.StartTimer()
				if _, err := ratelimit.AllowAll(b.Context(), charges); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(pings), "x/PING")
		})
	}
}

func ping(b *testing.B, client rueidis.Client) time.Duration {
	b.Helper()
	began := time.Now()
	if err := client.Do(b.Context(), client.B().Ping().Build()).Error(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
