package pool

// A Lease is the right to use a resource until it is given back, by Release or
// Destroy. It may be copied, and handed to another goroutine; the copies are
// one lease. Its zero value was given back.
type Lease[T any] struct {
	entry  *entry[T]
	number uint64
}

// Value returns the resource, or [ErrReleased] once the lease was given back.
// The resource must not be used after that.
func (l Lease[T]) Value() (T, error) {
	if l.entry != nil && l.entry.number() == l.number && l.entry.state.Load()%kinds != free {
		return l.entry.value, nil
	}
	var none T
	return none, ErrReleased
}

// Release gives the resource back. It does nothing if that was done before,
// also when another caller has the resource by now.
func (l Lease[T]) Release() {
	e := l.entry
	if e == nil {
		return
	}
	p := e.pool
	lent := uint64(leased)
	if p.cfg.Reset != nil {
		if !e.move(l.number, leased, resetting) {
			l.abandoned()
			return
		}
		lent = resetting
		if err := guard(func() error { return p.cfg.Reset(e.value) }); err != nil {
			p.counts.resetFailed.Add(1)
			p.report(err)
			l.destroy(resetting)
			return
		}
	}
	if !e.move(l.number, lent, free) {
		l.abandoned()
		return
	}
	p.inUse.Add(-1)
	e.res.Release()
	p.leave()
}

// Destroy gives the resource back to be destroyed, because it is broken or in
// a state that nobody knows. It does not wait for that. It does nothing if the
// lease was given back before.
func (l Lease[T]) Destroy() {
	if l.entry != nil {
		l.destroy(leased)
	}
}

func (l Lease[T]) destroy(from uint64) {
	e := l.entry
	if !e.move(l.number, from, free) {
		l.abandoned()
		return
	}
	p := e.pool
	p.inUse.Add(-1)
	e.res.Destroy()
	p.leave()
}

// abandoned gives back what Close has taken out of the pool.
func (l Lease[T]) abandoned() {
	e := l.entry
	if !e.move(l.number, orphaned, free) {
		return
	}
	p := e.pool
	p.inUse.Add(-1)
	go p.destroy(e)
	p.leave()
}
