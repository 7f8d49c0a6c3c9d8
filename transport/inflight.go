package transport

import (
	"net/http"
	"sync"
	"time"
)

// cutTimeout is how long a client may take to read that its call was cut.
const cutTimeout = time.Second

// inflight knows the calls that are served directly. They are a list through
// themselves: a call costs two short locks and no memory.
type inflight struct {
	mu       sync.Mutex
	draining bool
	first    *modernCall
	n        int
	idle     chan struct{} // closed once draining and nothing runs
}

func newInflight() *inflight { return &inflight{idle: make(chan struct{})} }

// begin admits c, or reports that a drain has begun.
func (f *inflight) begin(c *modernCall) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining {
		return false
	}
	if c.next = f.first; c.next != nil {
		c.next.prev = c
	}
	f.first = c
	f.n++
	return true
}

func (f *inflight) end(c *modernCall) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.prev == nil {
		f.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
	if f.n--; f.draining && f.n == 0 {
		close(f.idle)
	}
}

// drain refuses calls from now on. The channel is closed when none is running.
func (f *inflight) drain() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.draining && f.n == 0 {
		close(f.idle)
	}
	f.draining = true
	return f.idle
}

// cut ends every call and returns how many there were. It does not wait: a
// client that does not read would hold it up.
func (f *inflight) cut() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.first; c != nil; c = c.next {
		c.cancel(errDrained)
		// c cannot end before f.mu is free, so its connection is still its own.
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(cutTimeout)) // not every writer has deadlines
		go c.cut()                                                                       // ends by that deadline
	}
	return f.n
}
