package redis

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

const (
	// maxLog is the largest limit of a window: about 650 KiB for a key.
	maxLog = 1 << 16
	// maxLimit and maxTime keep the arithmetic within its types.
	maxLimit = 1 << 30
	maxTime  = 366 * 24 * time.Hour
)

// A Limiter is a [ratelimit.Limiter] with its budgets in Redis. Limiters of the
// same [Limits] are [ratelimit.Joint]: asked together in one round trip.
type Limiter struct {
	in    *Limits
	name  string
	limit int // the highest cost
	err   error
	kind  kind
	local func(share float64) *ratelimit.Local
	fail  Failure
	spare *ratelimit.Local // nil unless it decides when Redis does not
}

// A kind knows what the script wants to know, and what its answer means.
type kind interface {
	prefix() string
	args(args []string, cost int) []string
	decide(b budget) ratelimit.Decision
}

// A budget is what the script says of one, before it took.
type budget struct {
	now     int64 // microseconds
	x, y, z int64
	cost    int
	took    bool
}

// SlidingWindow allows at most limit in any window of Redis's clock, whatever
// the arrivals: for every moment, what was allowed since, and less than a window
// later, is at most limit. It keeps about 10 bytes for each unit of cost in the
// window, and limit is at most 65536. A window is a whole number of
// microseconds, rounded up, and at most 366 days.
//
// The name tells its budgets from those of other limiters, in all servers with
// the same prefix: 1 to 64 characters of A–Z a–z 0–9 . _ -, and not that of
// another limiter of l. A changed limit holds over what was allowed before; while a
// changed window is rolled out, the shorter one counts. Mistakes are returned by
// [Limiter.Err], by ratelimit.New, and by all methods.
func (l *Limits) SlidingWindow(name string, limit int, window time.Duration) *Limiter {
	r := l.limiter(name, limit, maxLog, window)
	r.kind = &windowKind{limit: limit, span: micros(window)}
	r.local = func(share float64) *ratelimit.Local {
		return ratelimit.SlidingWindow(part(limit, share), window)
	}
	return r.WithFailure(Local(defaultShare))
}

// GCRA allows bursts of burst, and limit per time over long times: at most burst
// + limit × t/per in any time t of Redis's clock. It keeps one number a key, of
// any limit. Its decisions speak of burst, and of the time in which a spent
// budget is whole again, which is at most 366 days. A changed limit finds the same
// part of its budgets used. Names and mistakes are as for [Limits.SlidingWindow].
func (l *Limits) GCRA(name string, limit int, per time.Duration, burst int) *Limiter {
	r := l.limiter(name, burst, maxLimit, per)
	if limit <= 0 || limit > maxLimit {
		r.err = errors.Join(r.err, fmt.Errorf("redis: limiter %q: %d per %v is not between 1 and %d", name, limit, per, maxLimit))
	}
	if r.err == nil {
		k, ok := newGCRA(limit, per, burst)
		if !ok {
			r.err = fmt.Errorf("redis: limiter %q: %d per %v does not fill %d within %v", name, limit, per, burst, maxTime)
		}
		r.kind = k
	}
	r.local = func(share float64) *ratelimit.Local {
		slower := time.Duration(min(float64(per)/share, float64(maxTime)))
		return ratelimit.TokenBucket(limit, slower, part(burst, share))
	}
	return r.WithFailure(Local(defaultShare))
}

func (l *Limits) limiter(name string, limit, most int, window time.Duration) *Limiter {
	r := &Limiter{in: l, name: name, limit: limit}
	mistake := func(format string, args ...any) {
		r.err = errors.Join(r.err, fmt.Errorf("redis: limiter %q: "+format, append([]any{name}, args...)...))
	}
	if !validName(name) {
		mistake("its name is not 1 to 64 characters of A-Z a-z 0-9 . _ -")
	} else if !l.register(name) {
		mistake("another has its name")
	}
	if limit <= 0 || limit > most {
		mistake("a limit of %d is not between 1 and %d", limit, most)
	}
	if window <= 0 || window > maxTime {
		mistake("a window of %v is not between 1ns and %v", window, maxTime)
	}
	return r
}

// Err returns what is wrong with the arguments that r was made with.
func (r *Limiter) Err() error {
	if r == nil {
		return errors.New("redis: no limiter")
	}
	return r.err
}

// Allow implements [ratelimit.Limiter] in one round trip. It waits for Redis no
// longer than the timeout, and then decides as its [Failure] says; what the lost
// answer took in Redis stays taken.
func (r *Limiter) Allow(ctx context.Context, key string, cost int) (ratelimit.Decision, error) {
	return r.AllowAll(ctx, []ratelimit.Charge{{Limiter: r, Key: key, Cost: cost}})
}

// Remaining implements [ratelimit.Limiter].
func (r *Limiter) Remaining(ctx context.Context, key string) (int, error) {
	d, err := r.Allow(ctx, key, 0)
	return d.Remaining, err
}

// Joins implements [ratelimit.Joint].
func (r *Limiter) Joins(other ratelimit.Limiter) bool {
	o, ok := other.(*Limiter)
	return ok && o != nil && o.in == r.in
}

var (
	errApart    = errors.New("redis: limiters of different Limits cannot decide together")
	errTwice    = errors.New("redis: a limiter has two charges at once")
	errNegative = errors.New("redis: negative cost")
)

// AllowAll implements [ratelimit.Joint]: one script takes all or nothing. While
// Redis is gone, all or nothing is taken in this process.
func (r *Limiter) AllowAll(ctx context.Context, charges []ratelimit.Charge) (ratelimit.Decision, error) {
	for i, c := range charges {
		o, ok := c.Limiter.(*Limiter)
		switch {
		case !ok || !r.Joins(o):
			return ratelimit.Decision{}, errApart
		case o.err != nil:
			return ratelimit.Decision{}, o.err
		case c.Cost < 0:
			return ratelimit.Decision{}, errNegative
		}
		for _, before := range charges[:i] {
			if before.Limiter.(*Limiter).name == o.name { //nolint:errcheck,forcetypeassert // looked at before
				return ratelimit.Decision{}, errTwice
			}
		}
	}
	if len(charges) == 0 {
		return ratelimit.Decision{Allowed: true}, nil
	}
	return r.in.decide(ctx, charges)
}

// key is where the budget is. A digest keeps names of callers, and what they
// may contain, out of Redis.
func (r *Limiter) key(of string) string {
	sum := sha256.Sum256([]byte(of))
	return r.in.prefix + r.kind.prefix() + r.name + ":" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// micros rounds up.
func micros(d time.Duration) int64 {
	return int64(d/time.Microsecond) + min(int64(d%time.Microsecond), 1)
}
