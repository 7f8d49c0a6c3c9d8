package ratelimit

import (
	"math/bits"
	"time"
)

// A counterAlg counts in buckets as long as the window, and takes what the
// bucket before holds as spread evenly over it.
type counterAlg struct {
	limit  int
	window int64
}

type counter struct {
	start     int64 // of the bucket that cur counts
	prev, cur uint32
}

// start returns where the bucket of now begins. Times may be negative.
func (a *counterAlg) start(now int64) int64 {
	into := now % a.window
	if into < 0 {
		into += a.window
	}
	return now - into
}

// roll moves c to the bucket of now.
func (a *counterAlg) roll(c *counter, now int64) {
	if now >= c.start && now-c.start < a.window {
		return // without a division
	}
	switch start := a.start(now); start {
	case c.start + a.window:
		*c = counter{start: start, prev: c.cur}
	default:
		*c = counter{start: start}
	}
}

// carried is what of prev still counts when left of the bucket is to come,
// rounded up.
func (a *counterAlg) carried(prev uint32, left int64) uint64 {
	if prev == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(prev), uint64(left)) //nolint:gosec // left is in [0, window]
	q, r := bits.Div64(hi, lo, uint64(a.window))     //nolint:gosec // the window is positive
	if r > 0 {
		q++
	}
	return q
}

func (a *counterAlg) inspect(c *counter, now int64, cost int) Decision {
	a.roll(c, now)
	left := c.start + a.window - now
	used := int(uint64(c.cur) + a.carried(c.prev, left)) //nolint:gosec // at most twice the limit
	d := Decision{Limit: a.limit, Window: time.Duration(a.window), Remaining: max(a.limit-used, 0)}
	if used+cost > a.limit {
		d.RetryAfter = time.Duration(a.wait(c, left, uint64(a.limit-cost))) //nolint:gosec // cost is at most the limit
		d.Reset = time.Duration(a.reset(c, left))
		return d
	}
	d.Allowed = true
	d.Remaining -= cost
	after := *c
	after.cur += uint32(cost) //nolint:gosec // at most the limit, which is at most 2^30
	d.Reset = time.Duration(a.reset(&after, left))
	return d
}

// wait returns when no more than rest is used: in this bucket, or, if that
// alone has more, in the next one.
func (a *counterAlg) wait(c *counter, left int64, rest uint64) int64 {
	if uint64(c.cur) <= rest {
		return left - a.leftAt(c.prev, rest-uint64(c.cur))
	}
	return left + a.window - a.leftAt(c.cur, rest)
}

// leftAt returns the most that may be left of a bucket in which no more than
// rest of prev counts, which is more than that at its start.
func (a *counterAlg) leftAt(prev uint32, rest uint64) int64 {
	hi, lo := bits.Mul64(rest, uint64(a.window)) //nolint:gosec // the window is positive
	q, _ := bits.Div64(hi, lo, uint64(prev))     // rest < prev, so q is below the window
	return int64(q)                              //nolint:gosec // see above
}

func (a *counterAlg) reset(c *counter, left int64) int64 {
	switch {
	case c.cur > 0:
		return left + a.window
	case c.prev > 0:
		return left
	}
	return 0
}

func (a *counterAlg) take(c *counter, now int64, cost int) {
	a.roll(c, now)
	c.cur += uint32(cost) //nolint:gosec // at most the limit, which is at most 2^30
}

func (a *counterAlg) hold(c *counter, now int64, cost int) { a.take(c, now, cost) }

func (a *counterAlg) settle(c *counter, now, held int64, cost int, keep bool) {
	if keep {
		return
	}
	a.roll(c, now)
	n := uint32(cost) //nolint:gosec // at most the limit, which is at most 2^30
	switch a.start(held) {
	case c.start:
		c.cur -= min(n, c.cur)
	case c.start - a.window:
		c.prev -= min(n, c.prev)
	}
}

func (a *counterAlg) idle(c *counter, now int64) bool {
	switch {
	case c.cur > 0:
		return now >= c.start+2*a.window
	case c.prev > 0:
		return now >= c.start+a.window
	}
	return true
}

func (a *counterAlg) inherit(dst, src *counter, _ int64) { *dst = *src }
