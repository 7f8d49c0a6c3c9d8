package redis

import (
	"strconv"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

type windowKind struct {
	limit int
	span  int64 // microseconds
}

func (*windowKind) prefix() string { return "w:" }

func (k *windowKind) args(args []string, cost int) []string {
	return append(args, "window", strconv.Itoa(cost), strconv.Itoa(k.limit), strconv.FormatInt(k.span, 10))
}

// decide is told how much is used, of when that is which has to leave before the
// cost fits, and of when the newest is.
func (k *windowKind) decide(b budget) ratelimit.Decision {
	used, leaves, newest := int(b.x), b.y, b.z
	if b.took && b.cost > 0 {
		used, newest = used+b.cost, b.now
	}
	d := ratelimit.Decision{
		Allowed: leaves == 0, Limit: k.limit, Window: time.Duration(k.span) * time.Microsecond,
		Remaining: max(k.limit-used, 0),
	}
	if leaves > 0 {
		d.RetryAfter = k.left(leaves, b.now)
	}
	if used > 0 {
		d.Reset = k.left(newest, b.now)
	}
	return d
}

// left returns how long what was allowed at t stays in the window.
func (k *windowKind) left(t, now int64) time.Duration {
	return time.Duration(t+k.span-now) * time.Microsecond
}
