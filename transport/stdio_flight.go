package transport

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// flight is what a stdio session has in the air: calls of the client, and
// requests of the server to it.
type flight struct {
	limit int
	idle  chan struct{} // closed once draining and no call runs

	mu       sync.Mutex
	ids      map[jsonrpc.ID]json.RawMessage // calls without an answer
	listens  map[jsonrpc.ID]struct{}        // those that end only when they are canceled
	running  int                            // calls whose answer is not yet written
	asked    map[jsonrpc.ID]struct{}        // requests to the client without an answer
	draining bool
	deaf     bool // no answer can come any more
}

func newFlight(limit int) *flight {
	return &flight{
		limit:   limit,
		idle:    make(chan struct{}),
		ids:     map[jsonrpc.ID]json.RawMessage{},
		listens: map[jsonrpc.ID]struct{}{},
		asked:   map[jsonrpc.ID]struct{}{},
	}
}

// begin admits the call m.
func (f *flight) begin(m *message) *refusal {
	id := sdkID(m.id)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.ids[id]; ok {
		return invalidRequest("a request with this id is already in flight").withID(m.id)
	}
	if f.draining {
		return unavailable("").withID(m.id)
	}
	if len(f.ids) >= f.limit {
		return coded(&mcperrors.Error{
			Code: mcperrors.Exhausted, RetryAfter: retryAfter,
			Message: fmt.Sprintf("%d calls are in flight, retry shortly", f.limit),
		}, "").withID(m.id)
	}
	f.ids[id] = m.id
	if m.isListen() {
		f.listens[id] = struct{}{}
	}
	f.running++
	return nil
}

// release frees the id and the room of a call whose answer is written next,
// and reports whether it was one. Then done is due.
func (f *flight) release(id jsonrpc.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.ids[id]
	delete(f.ids, id)
	delete(f.listens, id)
	return ok
}

// done notes that an answer was written.
func (f *flight) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	f.signal()
}

func (f *flight) signal() {
	if f.draining && f.running == 0 {
		select {
		case <-f.idle:
		default:
			close(f.idle)
		}
	}
}

// drain refuses calls from now on. The channel is closed when none runs.
func (f *flight) drain() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.draining = true
	f.signal()
	return f.idle
}

// count returns how many calls run.
func (f *flight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running
}

// listening returns the ids of the subscriptions, as they were sent.
func (f *flight) listening() []json.RawMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []json.RawMessage
	for id := range f.listens {
		ids = append(ids, f.ids[id])
	}
	return ids
}

// ask notes a request to the client, and reports whether it can be answered.
func (f *flight) ask(id jsonrpc.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deaf {
		return false
	}
	f.asked[id] = struct{}{}
	return true
}

// told notes that the client answered.
func (f *flight) told(id jsonrpc.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.asked, id)
}

// deafen notes that no answer will come, and returns what waits for one.
func (f *flight) deafen() []jsonrpc.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf = true
	return slices.Collect(maps.Keys(f.asked))
}
