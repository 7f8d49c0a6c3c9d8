package auth

import (
	"crypto/sha256"
	"sync"
)

// A digest stands for a token in memory, so that a dump of it holds none.
type digest [sha256.Size]byte

func digestOf(token string) digest { return sha256.Sum256([]byte(token)) }

// A memory is a bounded map. What was not used for a while goes first: when the
// young half is full it becomes the old half, and what the old half was is
// forgotten; whatever is used in the old half becomes young again. So a put or
// get is all the work there ever is. Safe for concurrent use.
type memory[V any] struct {
	half int // 0: remembers nothing

	mu         sync.RWMutex
	epoch      uint64
	young, old map[digest]V
}

// newMemory keeps at most size values, rounded down to an even number.
func newMemory[V any](size int) *memory[V] {
	return &memory[V]{half: max(size, 0) / 2, young: map[digest]V{}}
}

func (m *memory[V]) get(key digest) (V, bool) {
	m.mu.RLock()
	v, young := m.young[key]
	old := false
	if !young {
		v, old = m.old[key]
	}
	epoch := m.epoch
	m.mu.RUnlock()
	if old {
		m.put(key, v, epoch)
	}
	return v, young || old
}

// begin returns the epoch in which what is found out now may be put.
func (m *memory[V]) begin() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.epoch
}

// put remembers v, unless everything was forgotten since epoch began.
func (m *memory[V]) put(key digest, v V, epoch uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.half == 0 || epoch != m.epoch {
		return
	}
	if len(m.young) >= m.half {
		m.old, m.young = m.young, make(map[digest]V)
	}
	delete(m.old, key)
	m.young[key] = v
}

// forget drops everything, and what is being found out right now.
func (m *memory[V]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	m.young, m.old = make(map[digest]V), nil
}

// drop forgets one value.
func (m *memory[V]) drop(key digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, key)
	delete(m.old, key)
}
