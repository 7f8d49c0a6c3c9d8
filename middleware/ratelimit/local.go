package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	defaultMaxKeys = 100_000
	// maxLogs bounds what the logs of the default number of keys may take.
	maxLogs = 256 << 20
	// maxLog is the largest limit of an exact window: half a MiB for a key.
	maxLog = 1 << 16
	// maxLimit and maxTime keep the arithmetic within its types.
	maxLimit = 1 << 30
	maxTime  = 366 * 24 * time.Hour
)

// A Local limiter keeps its budgets in this process. It needs no closing.
//
// It keeps a bounded number of keys. One goes only when it is as good as new,
// so that nobody gains by being forgotten. While there is no room, further keys
// share a few budgets, and a key that gets room later starts with what the
// shared budget has used.
type Local struct {
	order uint64 // in which several are locked
	limit int
	err   error // a mistake in the arguments
	build func(maxKeys int) store
	store store
}

// A store is a table of any state.
type store interface {
	allow(key string, cost int) Decision
	id(key string) id
	lock(key id)
	unlock(key id)
	inspect(key id, now int64, cost int) (Decision, int)
	take(key id, at int, now int64, cost int, hold bool) (shared bool)
	settle(key id, now, held int64, cost int, keep, shared bool)
	counts() (keys, shared int64)
}

var locals atomic.Uint64

// SlidingWindow allows at most limit in any window, whatever the arrivals: for
// every moment, what was allowed since, and less than a window later, is at
// most limit. It keeps 8 bytes for each unit of cost in the window, so limit is
// at most 65536; the table keeps 100,000 keys, or fewer where their full logs
// would pass 256 MiB. A limit or window that is not positive is a mistake: [New]
// and all methods return it.
func SlidingWindow(limit int, window time.Duration) *Local {
	keys := min(defaultMaxKeys, maxLogs/8/min(max(limit, 1), maxLog))
	return newLocal(limit, maxLog, window, keys, func(maxKeys int) store {
		return newTable(&windowAlg{limit, int64(window)}, maxKeys)
	})
}

// SlidingCounter approximates [SlidingWindow] with 16 bytes a budget, for large
// limits. It counts in buckets of a window's length, and takes the bucket
// before as spread evenly. For steady arrivals that is right; after a burst at
// the end of a bucket it can allow up to, but not reaching, twice the limit
// within a window, and after one at the start of a bucket it can refuse what a
// log would allow. Over many windows it allows no more than limit for each, and
// one more. Limits and windows are as for SlidingWindow, to a limit of 2^30.
func SlidingCounter(limit int, window time.Duration) *Local {
	return newLocal(limit, maxLimit, window, defaultMaxKeys, func(maxKeys int) store {
		return newTable(&counterAlg{limit, int64(window)}, maxKeys)
	})
}

// TokenBucket allows bursts of burst, and limit per time over long times: at
// most burst + limit × t/per in any time t. It is golang.org/x/time/rate for
// each key. Its decisions speak of burst, and of the time in
// which an empty bucket is full again. Mistakes are as for [SlidingWindow].
func TokenBucket(limit int, per time.Duration, burst int) *Local {
	fill := float64(burst) * float64(per) / float64(limit)
	a := &bucketAlg{
		rate:  rate.Limit(float64(limit) / per.Seconds()),
		burst: burst,
		fill:  time.Duration(math.Ceil(fill)),
	}
	l := newLocal(burst, maxLimit, per, defaultMaxKeys, func(maxKeys int) store { return newTable(a, maxKeys) })
	if l.err == nil && (limit <= 0 || fill > float64(maxTime)) {
		l.err = fmt.Errorf("ratelimit: %d per %v does not fill a bucket of %d within %v", limit, per, burst, maxTime)
	}
	return l
}

func newLocal(limit, most int, window time.Duration, keys int, build func(int) store) *Local {
	l := &Local{order: locals.Add(1), limit: limit, build: build}
	switch {
	case limit <= 0 || limit > most:
		l.err = fmt.Errorf("ratelimit: a limit of %d is not between 1 and %d", limit, most)
	case window <= 0 || window > maxTime:
		l.err = fmt.Errorf("ratelimit: a window of %v is not between 1ns and %v", window, maxTime)
	default:
		l.store = build(keys)
	}
	return l
}

// WithMaxKeys returns a new limiter with the limit of l, which keeps at most n
// keys. Zero or less is a mistake, as in [SlidingWindow].
func (l *Local) WithMaxKeys(n int) *Local {
	c := &Local{order: locals.Add(1), limit: l.limit, build: l.build, err: l.err}
	if n <= 0 || n > maxLimit {
		c.err = errors.Join(c.err, fmt.Errorf("ratelimit: %d keys are not between 1 and %d", n, maxLimit))
	}
	if c.err == nil {
		c.store = c.build(n)
	}
	return c
}

// Allow implements [Limiter].
func (l *Local) Allow(_ context.Context, key string, cost int) (Decision, error) {
	if err := l.check(cost); err != nil {
		return Decision{}, err
	}
	if cost <= l.limit {
		return l.store.allow(key, cost), nil
	}
	return never(l.store.allow(key, 0)), nil
}

// never is d for a cost that does not fit into the limit.
func never(d Decision) Decision {
	d.Allowed, d.RetryAfter = false, Never
	return d
}

// Remaining implements [Limiter].
func (l *Local) Remaining(ctx context.Context, key string) (int, error) {
	d, err := l.Allow(ctx, key, 0)
	return d.Remaining, err
}

// Keys returns how many keys are kept now. A key without use is kept until a
// new one looks for room.
func (l *Local) Keys() int {
	if l.store == nil {
		return 0
	}
	keys, _ := l.store.counts()
	return int(keys)
}

// Overflowed returns how many calls were allowed from a budget that keys
// share because there was no room. If it grows, the keys are too few for the
// callers, or somebody makes up keys.
func (l *Local) Overflowed() int64 {
	if l.store == nil {
		return 0
	}
	_, shared := l.store.counts()
	return shared
}

func (l *Local) check(cost int) error {
	if l.err != nil {
		return l.err
	}
	if cost < 0 {
		return errNegative
	}
	return nil
}

var errNegative = errors.New("ratelimit: negative cost")

// inspect is the store's, also for a cost that never fits.
func (l *Local) inspect(key id, now int64, cost int) (Decision, int) {
	if cost <= l.limit {
		return l.store.inspect(key, now, cost)
	}
	d, at := l.store.inspect(key, now, 0)
	return never(d), at
}
