package ratelimit

import "slices"

// A windowLog has the times of what was taken, oldest first, one entry for each
// unit of cost. The first and the last are its own, those between in a ring: most
// callers have no more than two, and most decisions need no others.
type windowLog struct {
	ring           []int64
	oldest, newest int64  // if n > 0
	head           uint32 // of the ring
	n              uint32 // entries in all
}

// index is where in the ring the entry i is, which is neither first nor last.
func (l *windowLog) index(i int) int {
	if i += int(l.head) - 1; i >= len(l.ring) {
		i -= len(l.ring)
	}
	return i
}

func (l *windowLog) at(i int) int64 {
	switch i {
	case 0:
		return l.oldest
	case int(l.n) - 1:
		return l.newest
	}
	return l.ring[l.index(i)]
}

func (l *windowLog) set(i int, v int64) {
	switch i {
	case 0:
		l.oldest = v
	case int(l.n) - 1:
		l.newest = v
	default:
		l.ring[l.index(i)] = v
	}
}

// drop removes the oldest of at least two entries.
func (l *windowLog) drop() {
	l.oldest = l.at(1)
	if l.n > 2 {
		l.head = uint32(l.index(2)) //nolint:gosec // within the ring
	}
	l.n--
}

// cut keeps the n oldest entries.
func (l *windowLog) cut(n int) {
	if n > 0 {
		l.newest = l.at(n - 1)
	}
	l.n = uint32(n) //nolint:gosec // at most the limit, which is at most 2^16
}

// push adds an entry. There is room in the ring for what was the last.
func (l *windowLog) push(now int64) {
	switch l.n {
	case 0:
		l.oldest = now
	case 1:
	default:
		l.ring[l.index(int(l.n)-1)] = l.newest
	}
	l.newest = now
	l.n++
}

// reserve makes room for n entries in all, of at most limit.
func (l *windowLog) reserve(n, limit int) {
	if n-2 <= len(l.ring) {
		return
	}
	ring := make([]int64, min(max(n-2, 2*len(l.ring), 4), limit-2))
	for i := 1; i < int(l.n)-1; i++ {
		ring[i-1] = l.at(i)
	}
	l.ring, l.head = ring, 0
}

func (l *windowLog) clear() { l.n, l.head = 0, 0 }

// clone returns a log of its own with the same entries.
func (l *windowLog) clone() windowLog {
	c := *l
	c.ring = slices.Clone(l.ring)
	return c
}
