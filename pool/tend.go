package pool

import (
	"errors"
	"slices"
	"time"

	"github.com/jackc/puddle/v2"
)

// tend looks after what is idle, and what is held for long.
func (p *Pool[T]) tend(period time.Duration) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-p.life.Done():
			return
		case <-ticker.C:
			p.reportLeaks(p.cfg.LeakAfter)
			if p.due() {
				p.sweep(p.old)
			}
		}
	}
}

// due tells whether a sweep may find something.
func (p *Pool[T]) due() bool {
	now, idle, due := p.now(), 0, false
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := range p.entries {
		if e.state.Load()%kinds != free {
			continue
		}
		if p.expired(e, now) {
			return true
		}
		idle++
		due = due || p.cfg.IdleTimeout > 0 && now-time.Duration(e.since.Load()) >= p.cfg.IdleTimeout
	}
	return due && idle > p.cfg.MinIdle
}

func (p *Pool[T]) expired(e *entry[T], now time.Duration) bool {
	return e.expires > 0 && now >= e.expires
}

// old tells whether an idle resource, one of as many as are left, has to go.
func (p *Pool[T]) old(res *puddle.Resource[*entry[T]], left int) bool {
	switch {
	case p.expired(res.Value(), p.now()):
		p.counts.expired.Add(1)
	case p.cfg.IdleTimeout > 0 && left > p.cfg.MinIdle && res.IdleDuration() >= p.cfg.IdleTimeout:
		p.counts.idled.Add(1)
	default:
		return false
	}
	return true
}

// distrust gives up what has been idle for long, after some of it was found not to work:
// the backend was likely restarted.
func (p *Pool[T]) distrust() {
	p.sweep(func(res *puddle.Resource[*entry[T]], _ int) bool {
		if res.IdleDuration() < p.cfg.ValidateAfter {
			return false
		}
		p.counts.invalid.Add(1)
		return true
	})
}

// sweep shows all idle resources to unfit, the longest idle first, and destroys those
// that are.
func (p *Pool[T]) sweep(unfit func(res *puddle.Resource[*entry[T]], left int) bool) {
	p.sweepMu.Lock()
	defer p.sweepMu.Unlock()
	p.sweeps.Add(1)
	defer p.sweeps.Add(1)
	idle := p.puddle.AcquireAllIdle()
	left := len(idle)
	// In this order, the last to come back is the first to be lent again.
	for _, res := range slices.Backward(idle) {
		if unfit(res, left) {
			left--
			res.Destroy()
		} else {
			res.ReleaseUnused()
		}
	}
}

// want has fill look whether there are enough idle resources.
func (p *Pool[T]) want() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// fill keeps MinIdle resources idle.
func (p *Pool[T]) fill() {
	for {
		var again <-chan time.Time
		for again == nil && p.short() {
			err := p.puddle.CreateResource(p.life)
			if err == nil || p.closed.Load() {
				continue
			}
			if !errors.Is(err, puddle.ErrNotAvailable) {
				p.report(err)
			}
			wait, _ := p.backoff.waiting()
			again = time.After(max(wait, firstBackoff))
		}
		select {
		case <-p.life.Done():
			return
		case <-p.wanted:
			if again != nil {
				select {
				case <-p.life.Done():
					return
				case <-again:
				}
			}
		case <-again:
		}
	}
}

func (p *Pool[T]) short() bool {
	size := p.size.Load()
	return !p.closed.Load() && size < int64(p.cfg.MaxSize) && size-p.inUse.Load() < int64(p.cfg.MinIdle)
}

// reportLeaks tells of what is held for longer than limit, once each.
func (p *Pool[T]) reportLeaks(limit time.Duration) {
	if limit < 0 {
		return
	}
	now := p.now()
	var leaks []*LeakError
	p.mu.Lock()
	for e := range p.entries {
		number, since, ok := e.held()
		if !ok || now-since < limit {
			continue
		}
		if stack, first := e.trace.report(number); first {
			leaks = append(leaks, &LeakError{Name: p.cfg.Name, Held: now - since, Stack: stack})
		}
	}
	p.mu.Unlock()
	for _, leak := range leaks {
		p.counts.leaks.Add(1)
		p.tracing.Store(true)
		p.report(leak)
	}
}
