package ratelimit

import "time"

// A windowAlg allows at most limit in any window, exactly.
type windowAlg struct {
	limit  int
	window int64
}

// forget drops what has left the window.
func (a *windowAlg) forget(l *windowLog, now int64) {
	if a.idle(l, now) {
		l.clear()
		return
	}
	for l.oldest <= now-a.window {
		l.drop() // never the last
	}
}

func (a *windowAlg) inspect(l *windowLog, now int64, cost int) Decision {
	a.forget(l, now)
	d := Decision{Limit: a.limit, Window: time.Duration(a.window), Remaining: a.limit - int(l.n)}
	if lack := cost - d.Remaining; lack > 0 {
		d.RetryAfter = time.Duration(l.at(lack-1) + a.window - now)
		d.Reset = time.Duration(l.newest + a.window - now)
		return d
	}
	d.Allowed = true
	d.Remaining -= cost
	switch {
	case cost > 0:
		d.Reset = d.Window
	case l.n > 0:
		d.Reset = time.Duration(l.newest + a.window - now)
	}
	return d
}

func (a *windowAlg) take(l *windowLog, now int64, cost int) {
	l.reserve(int(l.n)+cost, a.limit)
	for range cost {
		l.push(now)
	}
}

func (a *windowAlg) hold(l *windowLog, now int64, cost int) { a.take(l, now, cost) }

// settle looks for what was held from the end, where it is if little happened
// since.
func (a *windowAlg) settle(l *windowLog, _, held int64, cost int, keep bool) {
	if keep {
		return
	}
	n := int(l.n)
	last := n - 1
	for last >= 0 && l.at(last) > held {
		last--
	}
	from := last + 1
	for from > 0 && last+1-from < cost && l.at(from-1) == held {
		from--
	}
	gap := last + 1 - from
	for i := last + 1; i < n; i++ {
		l.set(i-gap, l.at(i))
	}
	l.cut(n - gap)
}

func (a *windowAlg) idle(l *windowLog, now int64) bool {
	return l.n == 0 || l.newest <= now-a.window
}

func (a *windowAlg) inherit(dst, src *windowLog, _ int64) {
	*dst = src.clone()
}
