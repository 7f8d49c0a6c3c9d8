package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// A bucketAlg leaves the arithmetic to x/time/rate.
type bucketAlg struct {
	rate  rate.Limit
	burst int
	fill  time.Duration // from empty to full
}

// A bucket has no limiter as long as it is full.
type bucket struct{ *rate.Limiter }

func at(now int64) time.Time { return base.Add(time.Duration(now)) }

func (a *bucketAlg) tokens(b *bucket, now int64) float64 {
	if b.Limiter == nil {
		return float64(a.burst)
	}
	return b.TokensAt(at(now))
}

// after returns how long the rate takes for n tokens. Like x/time/rate it
// rounds down: what is short of them by less than a nanosecond is enough.
func (a *bucketAlg) after(n float64) time.Duration {
	return time.Duration(n / float64(a.rate) * float64(time.Second))
}

func (a *bucketAlg) inspect(b *bucket, now int64, cost int) Decision {
	tokens := a.tokens(b, now)
	d := Decision{Limit: a.burst, Window: a.fill}
	if wait := a.after(float64(cost) - tokens); wait > 0 {
		d.RetryAfter = wait + 1 // the rest of a nanosecond
	} else {
		d.Allowed = true
		tokens -= float64(cost)
	}
	d.Remaining = max(int(tokens), 0)
	d.Reset = a.after(float64(a.burst) - tokens)
	return d
}

func (a *bucketAlg) take(b *bucket, now int64, cost int) {
	if b.Limiter == nil {
		b.Limiter = rate.NewLimiter(a.rate, a.burst)
	}
	b.AllowN(at(now), cost)
}

// giveBack takes a negative number: x/time/rate cancels only reservations that
// are still to come, and never fills a bucket beyond its burst.
func (a *bucketAlg) giveBack(b *bucket, now, _ int64, cost int) {
	if b.Limiter != nil {
		b.AllowN(at(now), -cost)
	}
}

func (a *bucketAlg) idle(b *bucket, now int64) bool {
	return a.tokens(b, now) >= float64(a.burst)
}

func (a *bucketAlg) inherit(dst, src *bucket, now int64) {
	dst.Limiter = rate.NewLimiter(a.rate, a.burst)
	dst.AllowN(at(now), min(int(math.Ceil(float64(a.burst)-a.tokens(src, now))), a.burst))
}
