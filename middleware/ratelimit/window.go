package ratelimit

import "time"

// A windowAlg allows at most limit in any window, exactly.
type windowAlg struct {
	limit  int
	window int64
}

// A windowLog has the times of what was taken, oldest first, in a ring: one
// entry for each unit of cost.
type windowLog struct {
	ring []int64
	head int
	n    int
}

func (l *windowLog) at(i int) int64 {
	if i += l.head; i >= len(l.ring) {
		i -= len(l.ring)
	}
	return l.ring[i]
}

func (l *windowLog) set(i int, v int64) {
	if i += l.head; i >= len(l.ring) {
		i -= len(l.ring)
	}
	l.ring[i] = v
}

func (l *windowLog) newest() int64 { return l.at(l.n - 1) }

// forget drops what has left the window. The newest time is looked at first,
// since whoever is idle has nothing else, and since that is where take will
// write: two places in memory are fetched at once.
func (a *windowAlg) forget(l *windowLog, now int64) {
	if a.idle(l, now) {
		l.n = 0
		return
	}
	for l.at(0) <= now-a.window {
		if l.head++; l.head == len(l.ring) {
			l.head = 0
		}
		l.n--
	}
}

func (a *windowAlg) inspect(l *windowLog, now int64, cost int) Decision {
	a.forget(l, now)
	d := Decision{Limit: a.limit, Window: time.Duration(a.window), Remaining: a.limit - l.n}
	if lack := cost - d.Remaining; lack > 0 {
		d.RetryAfter = time.Duration(l.at(lack-1) + a.window - now)
		d.Reset = time.Duration(l.newest() + a.window - now)
		return d
	}
	d.Allowed = true
	d.Remaining -= cost
	switch {
	case cost > 0:
		d.Reset = d.Window
	case l.n > 0:
		d.Reset = time.Duration(l.newest() + a.window - now)
	}
	return d
}

func (a *windowAlg) take(l *windowLog, now int64, cost int) {
	if need := l.n + cost; need > len(l.ring) {
		l.grow(min(max(need, 2*len(l.ring), 4), a.limit))
	}
	for range cost {
		l.n++
		l.set(l.n-1, now)
	}
}

func (l *windowLog) grow(size int) {
	ring := make([]int64, size)
	for i := range l.n {
		ring[i] = l.at(i)
	}
	l.ring, l.head = ring, 0
}

func (a *windowAlg) hold(l *windowLog, now int64, cost int) { a.take(l, now, cost) }

// settle looks for what was held from the end, where it is if little happened
// since.
func (a *windowAlg) settle(l *windowLog, _, held int64, cost int, keep bool) {
	if keep {
		return
	}
	last := l.n - 1
	for last >= 0 && l.at(last) > held {
		last--
	}
	from := last + 1
	for from > 0 && last+1-from < cost && l.at(from-1) == held {
		from--
	}
	gap := last + 1 - from
	for i := last + 1; i < l.n; i++ {
		l.set(i-gap, l.at(i))
	}
	l.n -= gap
}

func (a *windowAlg) idle(l *windowLog, now int64) bool {
	return l.n == 0 || l.newest() <= now-a.window
}

func (a *windowAlg) inherit(dst, src *windowLog, _ int64) {
	dst.n, dst.head = src.n, src.head
	dst.ring = append([]int64(nil), src.ring...)
}
