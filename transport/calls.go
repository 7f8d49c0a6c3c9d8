package transport

import (
	"context"
	"sync"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// retryAfter is what callers are told that come during a drain. Another replica
// may serve them at once.
const retryAfter = time.Second

// An exchange is a request that a drain waits for, or ends.
type exchange struct {
	cancel context.CancelCauseFunc
	calls  int // how many it carries
}

// calls knows what is running in one handler, but for the modern calls that are
// served directly; see inflight.
type calls struct {
	mu       sync.Mutex
	draining bool
	done     bool // drained: not even answers can be fetched any more
	running  map[*exchange]struct{}
	streams  map[*exchange]struct{} // GETs, which end only when they are ended
	idle     chan struct{}          // closed once draining and nothing runs
}

func newCalls() *calls {
	return &calls{
		running: map[*exchange]struct{}{},
		streams: map[*exchange]struct{}{},
		idle:    make(chan struct{}),
	}
}

func unavailable(version string) *refusal {
	return coded(&mcperrors.Error{
		Code: mcperrors.Unavailable, Message: "the server is shutting down, retry shortly", RetryAfter: retryAfter,
	}, version)
}

// begin admits e, which carries calls.
func (c *calls) begin(e *exchange, version string) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return unavailable(version)
	}
	c.running[e] = struct{}{}
	return nil
}

// beginResume admits a GET that fetches answers, also during a drain.
func (c *calls) beginResume(e *exchange, version string) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return unavailable(version)
	}
	c.running[e] = struct{}{}
	return nil
}

// end is called when all calls of e have been answered.
func (c *calls) end(e *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, e)
	c.signal()
}

// beginStream admits e, a stream that ends only when it is ended.
func (c *calls) beginStream(e *exchange, version string) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return unavailable(version)
	}
	c.streams[e] = struct{}{}
	return nil
}

func (c *calls) endStream(e *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.streams, e)
}

func (c *calls) signal() {
	if c.draining && len(c.running) == 0 && !c.done {
		c.done = true
		close(c.idle)
	}
}

// drain refuses calls from now on. The channel is closed when none is running.
func (c *calls) drain() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	c.signal()
	return c.idle
}

// cut cancels what runs and returns how many calls that were.
func (c *calls) cut() (n int) {
	c.mu.Lock()
	var left []*exchange
	for e := range c.running {
		left = append(left, e)
		n += e.calls
	}
	c.mu.Unlock()
	for _, e := range left {
		e.cancel(errDrained)
	}
	return n
}

// endStreams cancels every stream.
func (c *calls) endStreams() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := range c.streams {
		e.cancel(errDrained)
	}
}
