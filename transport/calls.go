package transport

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// retryAfter is what callers are told that come during a drain. Another replica
// may serve them at once.
const retryAfter = time.Second

// An exchange is a POST and the calls it carried. It runs until the POST has
// returned and every call is answered: a legacy call goes on when its POST
// is cut, and the client fetches the answer by Last-Event-ID.
type exchange struct {
	request *http.Request              // as it was given to go-sdk
	cancel  context.CancelCauseFunc    // of the request's context
	session string                     // legacy session, or ""
	ids     map[string]json.RawMessage // not yet answered, by idKey

	open bool // the POST has not returned
}

func (e *exchange) running() bool { return e.open || len(e.ids) > 0 }

// calls knows what is running in one handler.
type calls struct {
	mu       sync.Mutex
	draining bool
	done     bool // drained: not even answers can be fetched any more
	running  map[*exchange]struct{}
	byID     map[callID]*exchange
	streams  map[*exchange]struct{} // GET and listen, which end only when they are ended
	idle     chan struct{}          // closed once draining and nothing runs
}

// A callID names a call in a legacy session.
type callID struct{ session, id string }

func newCalls() *calls {
	return &calls{
		running: map[*exchange]struct{}{},
		byID:    map[callID]*exchange{},
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
	if e.session != "" {
		for key, id := range e.ids {
			if c.byID[callID{e.session, key}] != nil {
				return invalidRequest("a request with this id is already in flight").withID(id)
			}
		}
		for key := range e.ids {
			c.byID[callID{e.session, key}] = e
		}
	}
	e.open = true
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
	e.open = true
	c.running[e] = struct{}{}
	return nil
}

// end is called when the request of e returns.
func (c *calls) end(e *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.open = false
	c.drop(e)
	c.settle(e)
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

type exchangeKey struct{}

// drop forgets the calls of e. It wants c.mu, as settle does.
func (c *calls) drop(e *exchange) {
	for id := range e.ids {
		delete(c.byID, callID{e.session, id})
	}
	e.ids = nil
}

func (c *calls) settle(e *exchange) {
	if !e.running() {
		delete(c.running, e)
		c.signal()
	}
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

// unanswered returns what runs and matches, with the ids each still owes an
// answer to, and how many those are.
func (c *calls) unanswered(match func(*exchange) bool) (found map[*exchange][]json.RawMessage, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found = map[*exchange][]json.RawMessage{}
	for e := range c.running {
		if match(e) {
			found[e] = slices.Collect(maps.Values(e.ids))
			n += len(e.ids)
		}
	}
	return found, n
}

// endStreams cancels every stream.
func (c *calls) endStreams() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := range c.streams {
		e.cancel(errDrained)
	}
}
