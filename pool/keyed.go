package pool

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// KeyedConfig says what a [Keyed] keeps, and its bounds. A callback may panic
// or hang without harm to others, as those of [Config] may.
type KeyedConfig[K comparable, T any] struct {
	// Name tells this one apart in reports and causes of errors. It is not sent
	// to callers of the server.
	Name string

	// Open makes the value of a key. It is required. It is called once, however
	// many wait for it. Its context has the values of the first of them, and
	// ends at OpenTimeout and when the Keyed is closed. A coded error of Open is
	// returned as it is to those who waited, any other as unavailable.
	Open func(ctx context.Context, key K) (T, error)
	// Close ends a value that nobody uses any more. It is called once for each
	// that Open made; its context ends at CloseTimeout. Nil means that there is nothing to do.
	Close func(ctx context.Context, v T) error

	// MaxKeys is how many values there may be. For one more, the one that is
	// unused for longest is closed. Zero means 1000; negative means no limit.
	MaxKeys int
	// IdleTimeout is how long an unused value is kept. It is looked after four
	// times in this time, or every 30 seconds. Zero means 10 minutes; negative
	// means no limit.
	IdleTimeout time.Duration
	// OpenTimeout bounds Open. Zero means 10 seconds.
	OpenTimeout time.Duration
	// CloseTimeout bounds Close. Zero means 5 seconds.
	CloseTimeout time.Duration
	// MaxBackoff bounds the time in which a key is not opened again after Open
	// failed. It starts with up to 100 ms and doubles with each failure. Zero
	// means 10 seconds; negative means that there is no such time.
	MaxBackoff time.Duration

	// Report hears errors and panics of Close. It is called on any goroutine
	// and must not block. Nil means that nobody listens.
	Report func(err error)
}

func (c KeyedConfig[K, T]) withDefaults() (KeyedConfig[K, T], error) {
	var errs []error
	if c.Open == nil {
		errs = append(errs, errors.New("pool: Open is nil"))
	}
	if c.OpenTimeout < 0 || c.CloseTimeout < 0 {
		errs = append(errs, errors.New("pool: OpenTimeout and CloseTimeout have to be bounds"))
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = 1000
	}
	for _, d := range []struct {
		value *time.Duration
		zero  time.Duration
	}{
		{&c.IdleTimeout, 10 * time.Minute},
		{&c.OpenTimeout, 10 * time.Second},
		{&c.CloseTimeout, 5 * time.Second},
		{&c.MaxBackoff, 10 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	return c, errors.Join(errs...)
}

// A Keyed keeps one value for each key, such as the client with which a caller's
// calls go to an upstream, or a [Pool] for each upstream. All who ask for a key
// share its value. Make it with [NewKeyed] and close it.
type Keyed[K comparable, T any] struct {
	cfg   KeyedConfig[K, T]
	watch watch

	mu     sync.Mutex
	slots  map[K]*slot[K, T]
	unused list.List // of slots nobody uses, the one unused for longest first
	values int       // slots, those included that are no longer found by their key
	ending int       // calls of Close
	counts KeyedStats
	closed bool

	life  context.Context // ends when Close begins
	end   context.CancelFunc
	own   sync.WaitGroup
	ended bool
	empty chan struct{} // closed when nothing is left
	done  bool          // empty is closed
}

// A slot is the value of a key, or the attempt to open it.
type slot[K comparable, T any] struct {
	key     K
	backoff backoff

	// Guarded by Keyed.mu.
	users   int
	since   time.Time     // when users became 0
	place   *list.Element // in unused
	lost    bool          // not to be found by its key any more
	attempt *attempt[T]   // the last one
}

// An attempt to open a value.
type attempt[T any] struct {
	done  chan struct{} // closed when value and err are set
	value T
	err   error
}

// failed reports false also while nothing is known.
func (a *attempt[T]) failed() bool {
	select {
	case <-a.done:
		return a.err != nil
	default:
		return false
	}
}

// NewKeyed returns a Keyed without values, or all mistakes of cfg.
func NewKeyed[K comparable, T any](cfg KeyedConfig[K, T]) (*Keyed[K, T], error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	k := &Keyed[K, T]{cfg: cfg, slots: map[K]*slot[K, T]{}, empty: make(chan struct{})}
	k.watch.settled = func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.settle()
	}
	k.life, k.end = context.WithCancel(context.Background()) //nolint:gosec // Close calls it
	if cfg.IdleTimeout > 0 {
		k.own.Go(k.tend)
	}
	return k, nil
}

// Acquire returns the value of key, and opens it where there is none; it waits
// for that as long as ctx allows. The share has to be given back.
//
// Its errors are those of Open; unavailable, also while a key is not opened again
// after a failure, and once the Keyed is closed; exhausted, with an
// [ExhaustedError], if there are MaxKeys values and all are used; and that of
// ctx if it was canceled.
func (k *Keyed[K, T]) Acquire(ctx context.Context, key K) (*Share[T], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, a, err := k.enter(ctx, key)
	if err != nil {
		return nil, err
	}
	select {
	case <-a.done:
		err = a.err
	case <-k.life.Done():
		err = errClosed
	case <-ctx.Done():
		if err = ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
			err = unavailable(k.cfg.Name, time.Second, err)
		}
	}
	if err != nil {
		k.leave(s, false)
		if k.life.Err() != nil {
			return nil, errClosed
		}
		return nil, err
	}
	return &Share[T]{value: a.value, back: func(lost bool) { k.leave(s, lost) }}, nil
}

// Do calls fn with the value of key, and gives it back when fn returns or
// panics. If the error of fn wraps [ErrBroken], the value is destroyed. Do
// returns the error of fn, or those of Acquire.
func (k *Keyed[K, T]) Do(ctx context.Context, key K, fn func(ctx context.Context, v T) error) (err error) {
	share, err := k.Acquire(ctx, key)
	if err != nil {
		return err
	}
	defer func() {
		if errors.Is(err, ErrBroken) {
			share.Destroy()
		}
		share.Release()
	}()
	return fn(ctx, share.value)
}

// enter finds or makes the slot of key and counts the caller as its user.
func (k *Keyed[K, T]) enter(ctx context.Context, key K) (*slot[K, T], *attempt[T], error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, errClosed
	}
	s := k.slots[key]
	if s == nil {
		if err := k.makeRoom(); err != nil {
			return nil, nil, err
		}
		s = &slot[K, T]{key: key, backoff: backoff{limit: k.cfg.MaxBackoff}}
		k.slots[key] = s
		k.values++
		k.open(ctx, s, turn{})
	} else if s.attempt.failed() {
		t, wait, last := s.backoff.enter()
		if wait > 0 {
			// Whom last was meant for is not known, so that its code is not kept.
			return nil, nil, &mcperrors.Error{Code: mcperrors.Unavailable, Message: "not available, retry shortly", RetryAfter: wait, Cause: last}
		}
		k.open(ctx, s, t)
	}
	s.users++
	if s.place != nil {
		k.unused.Remove(s.place)
		s.place = nil
	}
	return s, s.attempt, nil
}

// makeRoom wants k.mu.
func (k *Keyed[K, T]) makeRoom() error {
	hanging := k.ending + int(k.watch.stuck.Load())
	if k.cfg.MaxKeys < 0 || k.values < k.cfg.MaxKeys && hanging < k.cfg.MaxKeys {
		return nil
	}
	oldest := k.unused.Front()
	if oldest == nil || hanging >= k.cfg.MaxKeys {
		k.counts.Refused++
		return exhausted(&ExhaustedError{
			Name: k.cfg.Name, MaxSize: k.cfg.MaxKeys, InUse: k.values - k.unused.Len(), Idle: k.unused.Len(),
		})
	}
	k.counts.Evicted++
	k.lose(oldest.Value.(*slot[K, T])) //nolint:errcheck // holds nothing else
	return nil
}

// open wants k.mu. The caller of ctx does not wait for longer than it wants;
// Open goes on for the next.
func (k *Keyed[K, T]) open(ctx context.Context, s *slot[K, T], t turn) {
	a := &attempt[T]{done: make(chan struct{})}
	s.attempt = a
	k.own.Go(func() {
		run, cancel := context.WithTimeout(detached{k.life, ctx}, k.cfg.OpenTimeout)
		defer cancel()
		v, _, err := within(run, run, &k.watch,
			func(ctx context.Context) (T, error) { return k.cfg.Open(ctx, s.key) },
			func(v T, err error) {
				if err == nil {
					k.finish(v)
				}
			})
		wait := s.backoff.leave(t, err)
		if err != nil {
			err = unavailable(k.cfg.Name, wait, fmt.Errorf("open: %w", err))
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if err != nil {
			k.counts.OpenFailed++
		} else {
			k.counts.Opened++
		}
		a.value, a.err = v, err
		close(a.done)
		if s.users == 0 {
			k.rest(s)
		}
	})
}

// leave counts a user less. A slot that is lost is not found by its key again.
func (k *Keyed[K, T]) leave(s *slot[K, T], lost bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if lost && !s.lost {
		k.counts.Dropped++
		k.lose(s)
	}
	if s.users--; s.users > 0 {
		return
	}
	select {
	case <-s.attempt.done:
		k.rest(s)
	default: // open does it
	}
}

// rest wants k.mu, and a slot that nobody uses.
func (k *Keyed[K, T]) rest(s *slot[K, T]) {
	if s.lost {
		k.over(s)
		return
	}
	s.since = time.Now()
	s.place = k.unused.PushBack(s)
}

// lose wants k.mu, and a slot that is not lost.
func (k *Keyed[K, T]) lose(s *slot[K, T]) {
	s.lost = true
	delete(k.slots, s.key)
	if s.place != nil {
		k.unused.Remove(s.place)
		s.place = nil
		k.over(s)
	}
}

// over wants k.mu, and a slot that is lost and that nobody uses.
func (k *Keyed[K, T]) over(s *slot[K, T]) {
	k.values--
	if s.attempt.failed() {
		k.settle()
		return
	}
	k.ending++
	go func() {
		k.finish(s.attempt.value)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ending--
		k.settle()
	}()
}

// finish ends a value.
func (k *Keyed[K, T]) finish(v T) {
	if k.cfg.Close == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), k.cfg.CloseTimeout)
	defer cancel()
	if err := guard(func() error { return k.cfg.Close(ctx, v) }); err != nil && k.cfg.Report != nil {
		_ = guard(func() error {
			k.cfg.Report(fmt.Errorf("pool %q: close: %w", k.cfg.Name, err))
			return nil
		})
	}
}

// tend closes what is unused for too long.
func (k *Keyed[K, T]) tend() {
	ticker := time.NewTicker(min(max(k.cfg.IdleTimeout/4, minPeriod), maxPeriod))
	defer ticker.Stop()
	for {
		select {
		case <-k.life.Done():
			return
		case <-ticker.C:
			k.closeIdle()
		}
	}
}

func (k *Keyed[K, T]) closeIdle() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for e := k.unused.Front(); e != nil; e = k.unused.Front() {
		s := e.Value.(*slot[K, T]) //nolint:errcheck // holds nothing else
		if time.Since(s.since) < k.cfg.IdleTimeout {
			return
		}
		k.counts.IdleClosed++
		k.lose(s)
	}
}

// A Share is the right to use the value of a key, beside others, until it is
// given back by Release.
type Share[T any] struct {
	value    T
	released atomic.Bool
	back     func(lost bool)
}

// Value returns the value, or [ErrReleased] once the share was given back. The
// value must not be used after that.
func (s *Share[T]) Value() (T, error) {
	if !s.released.Load() {
		return s.value, nil
	}
	var none T
	return none, ErrReleased
}

// Release gives the share back. It does nothing if that was done before.
func (s *Share[T]) Release() {
	if s.released.CompareAndSwap(false, true) {
		s.back(false)
	}
}

// Destroy gives the share back and has nobody else get this value, because it
// is broken: the next who asks for its key gets another. It is closed when
// nobody uses it any more. It does nothing if the share was given back before.
func (s *Share[T]) Destroy() {
	if s.released.CompareAndSwap(false, true) {
		s.back(true)
	}
}
