package pool

import "context"

// Close ends the pool. Who waits gets [ErrClosed] at once, who holds a resource
// may use it until it is released; all resources are destroyed. Close waits for
// that as long as ctx allows and then returns a [CloseError] that says how much
// is left, and reports a [LeakError] for each resource that is still held. What
// is released later is destroyed then. Close may be called again, to wait
// longer.
func (p *Pool[T]) Close(ctx context.Context) error {
	p.closeOnce.Do(func() {
		p.closed.Store(true)
		p.end()
		go func() {
			p.puddle.Close()
			p.own.Wait()
			p.ended.Store(true)
			p.settle()
		}()
		p.orphan()
	})
	select {
	case <-p.empty:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-p.empty:
		return nil
	default:
	}
	p.reportLeaks(0)
	return &CloseError{
		Name: p.cfg.Name, InUse: int(p.inUse.Load()),
		Stuck: int(p.watch.stuck.Load() + p.ending.Load()), Err: context.Cause(ctx),
	}
}

// orphan takes what is held out of puddle. It would wait for that without end,
// and wakes a waiter only when something comes back; the waiter that finds
// the pool closed wakes the next.
func (p *Pool[T]) orphan() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := range p.entries {
		number := e.number()
		if e.move(number, leased, orphaned) || e.move(number, resetting, orphaned) {
			e.res.Hijack()
		}
	}
}

// settle is called whenever something has ended that Close may wait for.
func (p *Pool[T]) settle() {
	if p.ended.Load() && p.admitted.Load() == 0 && p.exists.Load() == 0 && p.watch.stuck.Load() == 0 {
		p.emptyOnce.Do(func() { close(p.empty) })
	}
}
