package pool

import (
	"sync/atomic"
	"time"
)

// Stats are the numbers of a pool. Those of the first group are of the moment
// and were not read all at once; the others only grow.
type Stats struct {
	Name string // of the pool

	MaxSize  int // how many resources there may be
	InUse    int // lent
	Idle     int // ready to be lent
	Creating int // being made
	Waiting  int // callers in Acquire
	Stuck    int // callbacks that outlasted their time and still run

	Acquired      int64         // leases
	Waited        int64         // leases that were waited for, because nothing was idle
	WaitTime      time.Duration // of those, in all
	Shed          int64         // callers that were refused because too many waited
	GaveUp        int64         // callers whose context ended while they waited
	Created       int64         // resources made
	CreateFailed  int64         // calls of Create that failed
	Invalid       int64         // resources that did not validate, or were idle with such
	Expired       int64         // resources that reached MaxLifetime
	IdleDestroyed int64         // resources that reached IdleTimeout
	ResetFailed   int64         // resources that could not be reset
	Destroyed     int64         // resources ended, for these reasons or by their holders
	Leaks         int64         // leases that were held for longer than LeakAfter
}

type counts struct {
	unlent atomic.Int64 // taken from puddle, and not lent

	shed, gaveUp, created, createFailed, invalid, expired, idled, resetFailed, destroyed, leaks atomic.Int64
}

// Stats returns the numbers. Its cost grows with the size of the pool.
func (p *Pool[T]) Stats() Stats {
	s := p.puddle.Stat()
	inUse := p.inUse.Load()
	return Stats{
		Name: p.cfg.Name, MaxSize: p.cfg.MaxSize, InUse: int(inUse),
		Idle:     int(max(p.size.Load()-inUse, 0)),
		Creating: int(p.creating.Load()), Waiting: int(max(p.admitted.Load()-inUse, 0)), Stuck: int(p.watch.stuck.Load()),
		Acquired: s.AcquireCount() - p.counts.unlent.Load(), Waited: s.EmptyAcquireCount(), WaitTime: s.EmptyAcquireWaitTime(),
		Shed: p.counts.shed.Load(), GaveUp: p.counts.gaveUp.Load(),
		Created: p.counts.created.Load(), CreateFailed: p.counts.createFailed.Load(), Invalid: p.counts.invalid.Load(),
		Expired: p.counts.expired.Load(), IdleDestroyed: p.counts.idled.Load(), ResetFailed: p.counts.resetFailed.Load(),
		Destroyed: p.counts.destroyed.Load(), Leaks: p.counts.leaks.Load(),
	}
}
