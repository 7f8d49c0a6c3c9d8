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

// A bucket has no limiter as long as nothing was taken.
type bucket struct {
	limiter *rate.Limiter
	held    int
}

func at(now int64) time.Time { return base.Add(time.Duration(now)) }

func (a *bucketAlg) tokens(b *bucket, now int64) float64 {
	full := float64(a.burst)
	if b.limiter != nil {
		full = b.limiter.TokensAt(at(now))
	}
	return full - float64(b.held)
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
	if b.limiter == nil {
		b.limiter = rate.NewLimiter(a.rate, a.burst)
	}
	b.limiter.AllowN(at(now), cost)
}

// hold keeps tokens in the bucket, for nobody else. To put them back later
// would be a gift if the bucket had been full since.
func (a *bucketAlg) hold(b *bucket, _ int64, cost int) { b.held += cost }

func (a *bucketAlg) settle(b *bucket, now, _ int64, cost int, keep bool) {
	b.held -= cost
	if keep {
		a.take(b, now, cost)
	}
}

func (a *bucketAlg) idle(b *bucket, now int64) bool {
	return a.tokens(b, now) >= float64(a.burst)
}

func (a *bucketAlg) inherit(dst, src *bucket, now int64) {
	a.take(dst, now, min(int(math.Ceil(float64(a.burst)-a.tokens(src, now))), a.burst))
}
