package transport

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"math"
	"sync"
	"time"
)

// A MemorySessionStore keeps sessions in the memory of the process: for handlers
// that share one, and for tests. It is safe for concurrent use.
type MemorySessionStore struct {
	mu      sync.Mutex
	max     int
	records map[string]*memoryRecord
	queue   memoryQueue
}

// NewMemorySessionStore returns an empty store for up to limit records;
// Create fails beyond. Zero means 10,000; negative means no limit.
func NewMemorySessionStore(limit int) *MemorySessionStore {
	if limit < 0 {
		limit = math.MaxInt
	}
	return &MemorySessionStore{max: cmp.Or(limit, defaultSessions), records: map[string]*memoryRecord{}}
}

var errStoreFull = errors.New("transport: the session store is full")

// Create implements [SessionStore].
func (m *MemorySessionStore) Create(_ context.Context, key string, record []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.purge()
	if _, found := m.records[key]; !found && len(m.records) >= m.max {
		return errStoreFull
	}
	m.put(key, record, ttl)
	return nil
}

// Load implements [SessionStore].
func (m *MemorySessionStore) Load(_ context.Context, key string, ttl time.Duration) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.purge()
	r := m.records[key]
	if r == nil {
		return nil, ErrNoSession
	}
	m.put(key, r.data, ttl)
	return bytes.Clone(r.data), nil
}

// Update implements [SessionStore].
func (m *MemorySessionStore) Update(_ context.Context, key string, record []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.purge()
	if m.records[key] == nil {
		return ErrNoSession
	}
	m.put(key, record, ttl)
	return nil
}

// Delete implements [SessionStore].
func (m *MemorySessionStore) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(key)
	return nil
}

// Len returns how many records there are.
func (m *MemorySessionStore) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.purge()
	return len(m.records)
}

// put keeps a record. It wants m.mu, as all below do.
func (m *MemorySessionStore) put(key string, record []byte, ttl time.Duration) {
	m.remove(key)
	r := &memoryRecord{key: key, data: bytes.Clone(record), place: -1}
	m.records[key] = r
	if ttl > 0 {
		r.ends = time.Now().Add(ttl)
		heap.Push(&m.queue, r)
	}
}

func (m *MemorySessionStore) remove(key string) {
	if r := m.records[key]; r != nil {
		delete(m.records, key)
		if r.place >= 0 {
			heap.Remove(&m.queue, r.place)
		}
	}
}

// purge removes what has expired.
func (m *MemorySessionStore) purge() {
	now := time.Now()
	for len(m.queue) > 0 && !now.Before(m.queue[0].ends) {
		m.remove(m.queue[0].key)
	}
}

type memoryRecord struct {
	key   string
	data  []byte
	ends  time.Time
	place int // in the queue; -1: it does not expire
}

// memoryQueue is a heap of what expires next.
type memoryQueue []*memoryRecord

func (q memoryQueue) Len() int           { return len(q) }
func (q memoryQueue) Less(i, j int) bool { return q[i].ends.Before(q[j].ends) }
func (q memoryQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements [heap.Interface].
func (q *memoryQueue) Push(x any) {
	r := x.(*memoryRecord) //nolint:errcheck,forcetypeassert // nothing else is pushed
	r.place = len(*q)
	*q = append(*q, r)
}

// Pop implements [heap.Interface].
func (q *memoryQueue) Pop() any {
	last := len(*q) - 1
	r := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	return r
}

var _ SessionStore = (*MemorySessionStore)(nil)
