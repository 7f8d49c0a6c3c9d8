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
	limit, per uint64 // per: microseconds
	burst      int
	fill       span // of burst calls
}

// newGCRA reports false if the burst does not come back in maxTime.
func newGCRA(limit int, per time.Duration, burst int) (*gcraKind, bool) {
	k := &gcraKind{limit: uint64(limit), per: uint64(micros(per)), burst: burst}
	if hi, _ := bits.Mul64(uint64(burst), k.per); hi >= k.limit {
		return nil, false
	}
	k.fill = k.of(burst)
	return k, k.fill.whole < int64(maxTime/time.Microsecond)
}

// of returns what n calls take. n is at most the burst.
func (k *gcraKind) of(n int) span {
	hi, lo := bits.Mul64(uint64(n), k.per)
	whole, part := bits.Div64(hi, lo, k.limit)
	return span{int64(whole), int64(part)}
}

func (*gcraKind) prefix() string { return "g:" }

func (k *gcraKind) args(args []string, cost int) []string {
	c := k.of(cost)
	args = append(args, "gcra")
	for _, n := range []int64{c.whole, c.part, k.fill.whole, k.fill.part, int64(k.limit)} {
		args = append(args, strconv.FormatInt(n, 10))
	}
	return args
}

// decide is told when the budget is whole again.
func (k *gcraKind) decide(b budget) ratelimit.Decision {
	used := span{b.x - b.now, b.y}
	after := k.plus(used, k.of(b.cost))
	wait := k.minus(after, k.fill)
	d := ratelimit.Decision{Allowed: wait.whole < 0 || wait == span{} || b.cost == 0, Limit: k.burst, Window: k.up(k.fill)}
	if !d.Allowed {
		d.RetryAfter = k.up(wait)
	}
	if b.took {
		used = after
	}
	free := k.minus(k.fill, used)
	hi, lo := bits.Mul64(uint64(free.whole), k.limit)
	lo, carry := bits.Add64(lo, uint64(free.part), 0)
	left, _ := bits.Div64(hi+carry, lo, k.per)
	d.Remaining = int(left)
	d.Reset = k.up(used)
	return d
}

func (k *gcraKind) plus(a, b span) span {
	s := span{a.whole + b.whole, a.part + b.part}
	if s.part >= int64(k.limit) {
		s.whole, s.part = s.whole+1, s.part-int64(k.limit)
	}
	return s
}

// minus returns a difference with a part that is not negative.
func (k *gcraKind) minus(a, b span) span {
	s := span{a.whole - b.whole, a.part - b.part}
	if s.part < 0 {
		s.whole, s.part = s.whole-1, s.part+int64(k.limit)
	}
	return s
}

// up rounds up to a tick of Redis's clock.
func (*gcraKind) up(s span) time.Duration {
	return time.Duration(s.whole+min(s.part, 1)) * time.Microsecond
}
