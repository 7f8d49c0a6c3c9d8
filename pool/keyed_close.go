package pool

import "context"

// Drop has nobody get the present value of key any more, for instance because
// its credentials were revoked, and reports whether there was one. It is closed
// when nobody uses it.
func (k *Keyed[K, T]) Drop(key K) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.slots[key]
	if s == nil {
		return false
	}
	k.counts.Dropped++
	k.lose(s)
	return true
}

// Close ends the Keyed. Who waits gets [ErrClosed] at once, who holds a share may use it until
// it is released; all values are closed. Close waits for that as long as ctx
// allows and then returns a [CloseError] that says how much is left. What is
// released later is closed then. Close may be called again, to wait longer.
func (k *Keyed[K, T]) Close(ctx context.Context) error {
	k.mu.Lock()
	if !k.closed {
		k.closed = true
		k.end()
		for _, s := range k.slots {
			k.lose(s)
		}
		go func() {
			k.own.Wait()
			k.mu.Lock()
			defer k.mu.Unlock()
			k.ended = true
			k.settle()
		}()
	}
	k.mu.Unlock()
	select {
	case <-k.empty:
		return nil
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.done {
		return nil
	}
	return &CloseError{
		Name: k.cfg.Name, InUse: k.values, Stuck: k.ending + int(k.watch.stuck.Load()), Err: context.Cause(ctx),
	}
}

// settle wants k.mu.
func (k *Keyed[K, T]) settle() {
	if k.ended && !k.done && k.values == 0 && k.ending == 0 && k.watch.stuck.Load() == 0 {
		k.done = true
		close(k.empty)
	}
}

// KeyedStats are the numbers of a [Keyed], read all at once. Those of the first group
// are of the moment; the others only grow.
type KeyedStats struct {
	Name string

	MaxKeys int // how many values there may be; negative means no limit
	Values  int // values there are, or are being opened
	Unused  int // those of them that nobody uses
	Stuck   int // callbacks that outlasted their time and still run

	Opened     int64 // values made
	OpenFailed int64 // calls of Open that failed
	Evicted    int64 // values closed to make room
	IdleClosed int64 // values closed at IdleTimeout
	Dropped    int64 // values given up by Drop or Destroy
	Refused    int64 // callers for whom there was no room
}

// Stats returns the numbers.
func (k *Keyed[K, T]) Stats() KeyedStats {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.counts
	s.Name, s.MaxKeys, s.Values, s.Unused = k.cfg.Name, k.cfg.MaxKeys, k.values, k.unused.Len()
	s.Stuck = int(k.watch.stuck.Load())
	return s
}
