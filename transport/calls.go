package transport

import (
	"sync"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// retryAfter is what callers are told that come during a drain. Another replica
// may serve them at once.
const retryAfter = time.Second

// An exchange is a request that a drain waits for, or ends.
type exchange struct {
	owner aborter
	calls int // how many it carries

	prev, next *exchange // in one of the lists
}

func (e *exchange) cancel(cause error) { e.owner.abort(cause) }

// An aborter ends a request.
type aborter interface{ abort(cause error) }

// abortFunc lets a function be an aborter.
type abortFunc func(cause error)

func (f abortFunc) abort(cause error) { f(cause) }

// exchanges are a list through themselves: no request costs memory.
type exchanges struct{ first *exchange }

func (l *exchanges) add(e *exchange) {
	if e.next = l.first; e.next != nil {
		e.next.prev = e
	}
	l.first = e
}

func (l *exchanges) remove(e *exchange) {
	switch {
	case e.prev != nil:
		e.prev.next = e.next
	case l.first == e:
		l.first = e.next
	default:
		return // it is not there
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}

// calls knows what is running in one handler.
type calls struct {
	mu       sync.Mutex
	draining bool
	done     bool // drained: not even answers can be fetched any more
	running  exchanges
	streams  exchanges     // GETs, which end only when they are ended; each owner is a listening
	idle     chan struct{} // closed once draining and nothing runs
}

func newCalls() *calls {
	return &calls{idle: make(chan struct{})}
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
	c.running.add(e)
	return nil
}

// beginResume admits a GET that fetches answers, also during a drain.
func (c *calls) beginResume(e *exchange, version string) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return unavailable(version)
	}
	c.running.add(e)
	return nil
}

// end is called when all calls of e have been answered.
func (c *calls) end(e *exchange) {
	c.mu.Lock()
	c.running.remove(e)
	draining := c.draining
	c.signal()
	c.mu.Unlock()
	if draining {
		c.endIdleStreams() // it may have been the last of its session
	}
}

// beginStream admits e, a stream that ends only when it is ended.
func (c *calls) beginStream(e *exchange, version string) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return unavailable(version)
	}
	c.streams.add(e)
	return nil
}

func (c *calls) endStream(e *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams.remove(e)
}

func (c *calls) signal() {
	if c.draining && c.running.first == nil && !c.done {
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
	for e := c.running.first; e != nil; e = e.next {
		left = append(left, e)
		n += e.calls
	}
	c.mu.Unlock()
	for _, e := range left {
		e.cancel(errDrained)
	}
	return n
}

// endIdleStreams cancels every stream whose session has no call here.
func (c *calls) endIdleStreams() {
	c.mu.Lock()
	var open []*exchange
	for e := c.streams.first; e != nil; e = e.next {
		open = append(open, e)
	}
	c.mu.Unlock()
	for _, e := range open {
		if l, ok := e.owner.(*listening); ok && l.s.idle() {
			e.cancel(errDrained)
		}
	}
}

// endStreams cancels every stream.
func (c *calls) endStreams() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.streams.first; e != nil; e = e.next {
		e.cancel(errDrained)
	}
}
