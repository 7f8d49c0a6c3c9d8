package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/puddle/v2"
)

// A Pool lends out resources. Those who wait are served in the order they
// came; the resource that was idle for the shortest time is lent first, so
// that what is not needed gets old. Make it with [New] and close it.
type Pool[T any] struct {
	cfg    Config[T]
	puddle *puddle.Pool[*entry[T]]
	start  time.Time // of the pool's clock

	admitted atomic.Int64 // callers that hold a resource or ask for one
	inUse    atomic.Int64
	size     atomic.Int64 // resources that are lent or could be
	creating atomic.Int64
	exists   atomic.Int64 // resources that Destroy has not returned for
	ending   atomic.Int64 // resources that Destroy was called for, of those
	watch    watch
	counts   counts

	backoff backoff
	tracing atomic.Bool
	wanted  chan struct{} // tells fill that there may be too few idle

	mu      sync.Mutex
	entries map[*entry[T]]struct{}

	// sweeps is odd while sweepMu is held by who has all idle resources.
	sweepMu sync.Mutex
	sweeps  atomic.Uint64

	closed    atomic.Bool
	closeOnce sync.Once
	life      context.Context // ends when Close begins
	end       context.CancelFunc
	own       sync.WaitGroup // goroutines of the pool
	ended     atomic.Bool    // they are over, and puddle is closed
	empty     chan struct{}  // closed when nothing is left of a closed pool
	emptyOnce sync.Once
}

// New returns an empty pool, or all mistakes of cfg. With MinIdle it begins to
// make resources at once, and does not wait for them.
func New[T any](cfg Config[T]) (*Pool[T], error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool[T]{
		cfg: cfg, start: time.Now(), backoff: backoff{limit: cfg.MaxBackoff},
		entries: map[*entry[T]]struct{}{},
		wanted:  make(chan struct{}, 1), empty: make(chan struct{}),
	}
	p.watch.settled = p.settle
	p.tracing.Store(cfg.LeakStacks)
	p.life, p.end = context.WithCancel(context.Background())
	p.puddle, err = puddle.NewPool(&puddle.Config[*entry[T]]{
		Constructor: p.create, Destructor: p.destruct, MaxSize: int32(cfg.MaxSize), //nolint:gosec // withDefaults has bounded it
	})
	if err != nil {
		p.end()
		return nil, err
	}
	if period := cfg.period(); period > 0 {
		p.own.Go(func() { p.tend(period) })
	}
	if cfg.MinIdle > 0 {
		p.own.Go(p.fill)
	}
	return p, nil
}

// now is the pool's clock, which no change of the time of day moves.
func (p *Pool[T]) now() time.Duration { return time.Since(p.start) }

// Acquire lends a resource, and waits for it as long as ctx allows. The lease
// has to be given back.
//
// Its errors are exhausted, if too many wait already or ctx reached its
// deadline while all resources were lent; unavailable, if none could be made, or
// three in a row did not validate, or the pool is closed; and that of ctx if it
// was canceled. If Create failed, nobody is kept waiting for it to recover.
func (p *Pool[T]) Acquire(ctx context.Context) (Lease[T], error) {
	if err := p.admit(); err != nil {
		return Lease[T]{}, err
	}
	lease, err := p.borrow(ctx, p.take, false)
	if err != nil {
		p.leave()
	}
	return lease, err
}

// TryAcquire lends a resource that is idle, without waiting for one; ctx bounds
// its validation, which may be due. Its errors are those of Acquire. Where
// nothing is idle and there is room, it is exhausted, and begins to make a
// resource for who comes later.
func (p *Pool[T]) TryAcquire(ctx context.Context) (Lease[T], error) {
	if err := p.admit(); err != nil {
		return Lease[T]{}, err
	}
	lease, err := p.borrow(ctx, p.tryTake, false)
	if err != nil {
		p.leave()
	}
	return lease, err
}

// Do lends a resource to fn, and takes it back when fn returns or panics. The
// resource is destroyed if fn panicked, as nobody knows what it left, or if its
// error wraps [ErrBroken]. Do returns the error of fn, or those of Acquire.
func (p *Pool[T]) Do(ctx context.Context, fn func(ctx context.Context, v T) error) (err error) {
	lease, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if returned && !errors.Is(err, ErrBroken) {
			lease.Release()
		} else {
			lease.Destroy()
		}
	}()
	err = fn(ctx, lease.entry.value)
	returned = true
	return err
}

// admit lets a caller in, who leaves when it holds nothing any more. Adding
// first and taking back would refuse one that fits while another is on its
// way out.
func (p *Pool[T]) admit() error {
	if p.closed.Load() {
		return errClosed
	}
	if p.cfg.MaxWaiters < 0 {
		p.admitted.Add(1)
		return nil
	}
	most := int64(p.cfg.MaxSize) + int64(p.cfg.MaxWaiters)
	for {
		n := p.admitted.Load()
		if n >= most {
			p.counts.shed.Add(1)
			return exhausted(p.fullness(nil))
		}
		if p.admitted.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

func (p *Pool[T]) leave() {
	p.admitted.Add(-1)
	if p.closed.Load() {
		p.settle()
	}
}

// take waits for a resource of puddle's.
func (p *Pool[T]) take(ctx context.Context) (*puddle.Resource[*entry[T]], error) {
	res, err := p.puddle.Acquire(ctx)
	if err != nil {
		if ctx.Err() != nil {
			p.counts.gaveUp.Add(1)
		}
		return nil, p.explain(ctx, err)
	}
	return res, nil
}

// tryTake takes a resource that is idle. While sweep has them all in hand,
// none is to be seen.
func (p *Pool[T]) tryTake(context.Context) (*puddle.Resource[*entry[T]], error) {
	for {
		seen := p.sweeps.Load()
		if seen%2 == 0 {
			res, err := p.puddle.TryAcquire(p.life)
			switch {
			case err == nil:
				return res, nil
			case p.closed.Load():
				return nil, errClosed
			case p.sweeps.Load() == seen:
				if wait, last := p.backoff.waiting(); wait > 0 && p.size.Load() == 0 {
					return nil, unavailable(p.cfg.Name, wait, last)
				}
				return nil, exhausted(p.fullness(nil))
			}
		}
		p.sweepMu.Lock()
		p.sweepMu.Unlock() //nolint:staticcheck // waits for the sweep to end
	}
}

// borrow takes resources until one is fit to be lent.
func (p *Pool[T]) borrow(ctx context.Context, take func(context.Context) (*puddle.Resource[*entry[T]], error), thorough bool) (Lease[T], error) {
	for invalid := 0; ; {
		res, err := take(ctx)
		if err != nil {
			return Lease[T]{}, err
		}
		e, now := res.Value(), p.now()
		if p.expired(e, now) {
			p.counts.unlent.Add(1)
			p.counts.expired.Add(1)
			res.Destroy()
			continue
		}
		if thorough || p.doubtful(e, res, now) {
			if err := p.validate(ctx, e, res); err != nil {
				p.counts.unlent.Add(1)
				if invalid++; invalid == attempts || ctx.Err() != nil || p.closed.Load() {
					return Lease[T]{}, p.explain(ctx, err)
				}
				if invalid == attempts-1 {
					p.distrust()
				}
				continue
			}
			now = p.now()
		}
		lease := e.lend(res, now)
		inUse := p.inUse.Add(1)
		if p.closed.Load() {
			// Close may have looked before there was something to see.
			p.counts.unlent.Add(1)
			if e.move(lease.number, leased, free) {
				p.inUse.Add(-1)
				res.Release()
			} else if e.move(lease.number, orphaned, free) {
				p.inUse.Add(-1)
				go p.destroy(e)
			}
			return Lease[T]{}, errClosed
		}
		if p.cfg.MinIdle > 0 && p.size.Load()-inUse < int64(p.cfg.MinIdle) {
			p.want()
		}
		return lease, nil
	}
}
