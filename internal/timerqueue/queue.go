// Package timerqueue holds time limits that nearly always are kept. What waits
// for the same time is a queue by nature, so that one timer watches all of it:
// an entry costs two short locks and no memory, where a timer of its own costs
// allocations and a place in the runtime's heap.
package timerqueue

import (
	"sync"
	"time"
)

const (
	// shards keep callers on many processors out of each other's way.
	shards = 8
	// maxNap bounds how long the timer of an empty queue keeps it in memory.
	maxNap = time.Minute
)

// epoch is what times are counted from: the clock is read at half the cost, and
// an entry is smaller, without the time of day.
var epoch = time.Now()

// A Queue tells those that have waited in it for its delay. It is safe for
// concurrent use and must not be copied.
type Queue struct {
	delay  time.Duration
	shards [shards]shard
}

// New returns a queue with a delay of more than zero.
func New(delay time.Duration) *Queue {
	q := &Queue{delay: delay}
	for i := range q.shards {
		q.shards[i].delay = delay
	}
	return q
}

// Delay is how long an entry waits.
func (q *Queue) Delay() time.Duration { return q.delay }

// An Overdue is told, on a goroutine of its own, that its time is up.
type Overdue interface{ Overdue() }

// An Entry is a place in a queue, for one wait at a time. The zero value is
// ready. It must not be copied.
type Entry struct {
	who        Overdue
	at         time.Duration // since epoch
	in         *shard
	prev, next *Entry
}

// Add puts who into the queue. It must not be there already.
func (q *Queue) Add(e *Entry, who Overdue) { q.add(e, who, time.Since(epoch)) }

// AddSince is Add for a wait that began a moment ago.
func (q *Queue) AddSince(e *Entry, who Overdue, start time.Time) { q.add(e, who, start.Sub(epoch)) }

func (q *Queue) add(e *Entry, who Overdue, start time.Duration) {
	e.who, e.at = who, start+q.delay
	// Any shard will do, and the nanoseconds are as good as random.
	e.in = &q.shards[uint64(start)>>4%shards] //nolint:gosec // likewise
	e.in.add(e)
}

// Remove takes e out of its queue, if it is in one. It reports false if nobody
// waits any more: Overdue was called, or is about to be.
func (e *Entry) Remove() bool {
	return e.in != nil && e.in.remove(e)
}

// A shard is a list in the order of time, as far as clocks are read in the
// order of adding; those that are not are late by so much.
type shard struct {
	delay time.Duration

	mu          sync.Mutex
	first, last *Entry
	timer       *time.Timer
	awake       bool // the timer will fire
}

func (s *shard) add(e *Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.prev = s.last; e.prev != nil {
		e.prev.next = e
	} else {
		s.first = e
	}
	s.last = e
	if s.awake {
		return
	}
	s.awake = true
	if nap := min(s.delay, maxNap); s.timer == nil {
		s.timer = time.AfterFunc(nap, s.wake)
	} else {
		s.timer.Reset(nap)
	}
}

func (s *shard) remove(e *Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.prev == nil && s.first != e {
		return false
	}
	s.unlink(e)
	return true
}

// unlink wants s.mu, and e in the list.
func (s *shard) unlink(e *Entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		s.last = e.prev
	}
	e.prev, e.next = nil, nil
}

// wake is the timer. It is not touched by each entry, but looks what has
// happened when it fires.
func (s *shard) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.first != nil {
		rest := s.first.at - time.Since(epoch)
		if rest > 0 {
			s.timer.Reset(min(rest, maxNap))
			return
		}
		e := s.first
		s.unlink(e)
		go e.who.Overdue()
	}
	s.awake = false
}
