package pool

import (
	"math/rand/v2"
	"sync"
	"time"
)

// A backoff keeps a backend that fails from being stormed: after a failure
// nobody asks it for a time, and then one does, until that one succeeds.
type backoff struct {
	limit time.Duration // negative: never wait

	mu       sync.Mutex
	failures int
	until    time.Time // nobody asks before
	probing  bool      // somebody asks
	last     error
}

// A turn is the permission to ask. What asked before the last failure was seen
// tells nothing that is not known.
type turn struct{ failures int }

// enter gives a turn, or says how long to wait and why.
func (b *backoff) enter() (t turn, wait time.Duration, last error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait := b.rest(); wait > 0 {
		return turn{}, wait, b.last
	}
	b.probing = b.failures > 0
	return turn{b.failures}, 0, nil
}

// waiting says how long nobody will ask, and why.
func (b *backoff) waiting() (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rest(), b.last
}

// rest wants b.mu.
func (b *backoff) rest() time.Duration {
	if b.failures == 0 || b.limit < 0 {
		return 0
	}
	if wait := time.Until(b.until); wait > 0 || !b.probing {
		return wait
	}
	return firstBackoff // the one who asks has not come back
}

// leave ends a turn and returns how long nobody will ask.
func (b *backoff) leave(t turn, err error) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.failures, b.probing, b.last = 0, false, nil
		return 0
	}
	if t.failures != b.failures {
		return max(b.rest(), 0)
	}
	b.failures++
	b.probing, b.last = false, err
	if b.limit < 0 {
		return 0
	}
	wait := b.limit
	if doubled := firstBackoff << min(b.failures-1, 30); doubled < wait {
		wait = doubled
	}
	wait -= rand.N(wait/2 + 1) //nolint:gosec // nobody gains by knowing
	b.until = time.Now().Add(wait)
	return wait
}

// withdraw ends a turn that came to nothing, neither good nor bad.
func (b *backoff) withdraw(t turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.failures == b.failures {
		b.probing = false
	}
}
