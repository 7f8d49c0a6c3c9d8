package redis

import (
	"math/bits"
	"strconv"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// A span is a time in microseconds and parts of one, of which there are as many
// as the rate has calls: a call takes a whole number of parts.
type span struct{ whole, part int64 }

type gcraKind struct {
	limit, per int64 // per: microseconds
	burst      int
	fill       span // of burst calls
}

// newGCRA reports false if the burst does not come back in maxTime.
func newGCRA(limit int, per time.Duration, burst int) (*gcraKind, bool) {
	if float64(burst)*float64(per)/float64(limit) > float64(maxTime) {
		return nil, false
	}
	k := &gcraKind{limit: int64(limit), per: micros(per), burst: burst}
	k.fill = k.of(burst)
	return k, true
}

// of returns what n calls take. n is at most the burst.
func (k *gcraKind) of(n int) span {
	whole, part := mulDiv(int64(n), k.per, 0, k.limit)
	return span{whole, part}
}

func (*gcraKind) prefix() string { return "g:" }

func (k *gcraKind) args(args []string, cost int) []string {
	c := k.of(cost)
	args = append(args, "gcra")
	for _, n := range []int64{c.whole, c.part, k.fill.whole, k.fill.part, k.limit} {
		args = append(args, strconv.FormatInt(n, 10))
	}
	return args
}

// decide is told when the budget is whole again.
func (k *gcraKind) decide(b budget) ratelimit.Decision {
	used := span{b.x - b.now, b.y}
	after := k.plus(used, k.of(b.cost))
	wait := k.minus(after, k.fill)
	d := ratelimit.Decision{
		Allowed: wait.whole < 0 || wait == span{} || b.cost == 0,
		Limit:   k.burst, Window: up(k.fill),
	}
	if !d.Allowed {
		d.RetryAfter = up(wait)
	}
	if b.took {
		used = after
	}
	free := k.minus(k.fill, used)
	left, _ := mulDiv(free.whole, k.limit, free.part, k.per)
	d.Remaining = int(left)
	d.Reset = up(used)
	return d
}

func (k *gcraKind) plus(a, b span) span {
	s := span{a.whole + b.whole, a.part + b.part}
	if s.part >= k.limit {
		s.whole, s.part = s.whole+1, s.part-k.limit
	}
	return s
}

// minus returns a difference with a part that is not negative.
func (k *gcraKind) minus(a, b span) span {
	s := span{a.whole - b.whole, a.part - b.part}
	if s.part < 0 {
		s.whole, s.part = s.whole-1, s.part+k.limit
	}
	return s
}

// up rounds up to a tick of Redis's clock.
func up(s span) time.Duration {
	return time.Duration(s.whole+min(s.part, 1)) * time.Microsecond
}

// mulDiv returns (a×b+c)/d and the rest. Nothing is negative, and the quotient
// fits.
func mulDiv(a, b, c, d int64) (quotient, rest int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))  //nolint:gosec // not negative
	lo, carry := bits.Add64(lo, uint64(c), 0)   //nolint:gosec // not negative
	q, r := bits.Div64(hi+carry, lo, uint64(d)) //nolint:gosec // not negative
	return int64(q), int64(r)                   //nolint:gosec // they fit
}
