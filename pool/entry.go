package pool

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/puddle/v2"
)

// An entry is a resource and who has it.
//
// Whoever moves state away from what it was owns the entry from there on: its
// holder by releasing it, or Close by taking it out of the pool. The number of
// the lease in it makes a lease that was given back worthless.
type entry[T any] struct {
	pool    *Pool[T]
	value   T
	expires time.Duration // by the pool's clock; zero means never

	res   *puddle.Resource[*entry[T]] // set by whoever first takes it out of the stack
	state atomic.Uint64               // number of the lease, and kind
	since atomic.Int64                // when it was last lent, by the pool's clock
	trace trace
}

const (
	free      = iota // not lent
	leased           // lent
	resetting        // on its way back
	orphaned         // lent, and the pool does not count it any more
	kinds     = 4
)

// number of the lease that has it, or had it last.
func (e *entry[T]) number() uint64 { return e.state.Load() / kinds }

// move changes the kind, if it is number's and was from.
func (e *entry[T]) move(number uint64, from, to uint64) bool {
	return e.state.CompareAndSwap(number*kinds+from, number*kinds+to)
}

// lend gives the entry out; its caller owns it.
func (e *entry[T]) lend(res *puddle.Resource[*entry[T]], now time.Duration) Lease[T] {
	e.res = res
	number := e.number() + 1
	e.since.Store(int64(now))
	if e.pool.tracing.Load() {
		e.trace.record()
	}
	e.state.Store(number*kinds + leased)
	return Lease[T]{e, number}
}

// held returns since when the entry is lent.
func (e *entry[T]) held() (number uint64, since time.Duration, ok bool) {
	state := e.state.Load()
	switch state % kinds {
	case leased, resetting, orphaned:
		return state / kinds, time.Duration(e.since.Load()), true
	}
	return 0, 0, false
}

// expiry returns when a resource that is made now is too old.
func expiry(now, lifetime time.Duration) time.Duration {
	if lifetime <= 0 {
		return 0
	}
	return now + lifetime - rand.N(lifetime/lifetimeParts+1) //nolint:gosec // nobody gains by knowing
}

// A trace is where a resource was acquired.
type trace struct {
	mu       sync.Mutex
	pcs      [24]uintptr
	depth    int
	reported uint64 // number of the lease that was told about
}

// record is called by lend, which borrow calls: what lies above is of interest.
func (t *trace) record() {
	t.mu.Lock()
	defer t.mu.Unlock()
	const own = 4 // Callers, record, lend, borrow
	t.depth = runtime.Callers(own, t.pcs[:])
}

// report returns the stack, if that lease was not told about before.
func (t *trace) report(number uint64) (stack []runtime.Frame, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reported == number {
		return nil, false
	}
	t.reported = number
	if t.depth == 0 {
		return nil, true
	}
	frames := runtime.CallersFrames(t.pcs[:t.depth])
	for {
		f, more := frames.Next()
		stack = append(stack, f)
		if !more {
			return stack, true
		}
	}
}
