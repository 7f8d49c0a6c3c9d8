package redis

import (
	"sync"
	"time"
)

// A circuit keeps decisions from waiting for a Redis that is gone. It is open
// from the first failure to the first probe that works; a failure or success
// that began before the last change of state changes nothing.
type circuit struct {
	timeout, retry time.Duration

	mu    sync.Mutex
	turn  uint64    // counts the changes of state
	since time.Time // of the failure; zero while closed
	probe time.Time // the next
	cause error
}

func newCircuit(timeout, retry time.Duration) *circuit {
	return &circuit{timeout: timeout, retry: retry}
}

// enter reports whether Redis may be asked. What comes of it is told with turn.
// A probe that is never told of holds up the next one no longer than it could
// have taken.
func (c *circuit) enter() (turn uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return c.turn, true
	}
	now := time.Now()
	if now.Before(c.probe) {
		return 0, false
	}
	c.probe = now.Add(c.timeout + c.retry)
	return c.turn, true
}

// worked reports whether the circuit closed, and how long it was open.
func (c *circuit) worked(turn uint64) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn || c.since.IsZero() {
		return 0, false
	}
	away := time.Since(c.since)
	c.turn++
	c.since, c.cause = time.Time{}, nil
	return away, true
}

// failed reports whether the circuit opened.
func (c *circuit) failed(turn uint64, cause error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn {
		return false
	}
	c.probe, c.cause = time.Now().Add(c.retry), cause
	if !c.since.IsZero() {
		return false
	}
	c.turn++
	c.since = time.Now()
	return true
}

func (c *circuit) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}
