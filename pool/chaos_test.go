package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/pool"
)

func TestPool_ADeadBackendIsNotStormed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{fail: errDown}
		p := b.open(t, pool.Config[int]{MaxSize: 10, MinIdle: 2, MaxBackoff: 10 * time.Second})
		defer mustClose(t, p)
		end := time.Now().Add(10 * time.Minute)
		for time.Now().Before(end) {
			start := time.Now()
			_, err := p.Acquire(t.Context())
			e := wantCode(t, err, mcperrors.Unavailable)
			if !errors.Is(err, errDown) || time.Since(start) > 0 {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			if e.RetryAfter <= 0 || e.RetryAfter > 10*time.Second {
				t.Fatalf("retry after %v", e.RetryAfter)
			}
			pass(10 * time.Millisecond)
		}
		// 60,000 calls of Acquire; between 5 and 10 s apart once it has slowed down.
		if b.calls < 60 || b.calls > 140 {
			t.Errorf("the backend was asked %d times in 10 minutes", b.calls)
		}
		b.set(func() { b.fail = nil })
		pass(10 * time.Second)
		acquire(t, p).Release()
	})
}

func TestPool_OneCallerAtATimeAsksAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{fail: errDown}
		p := b.open(t, pool.Config[int]{MaxSize: 20})
		defer mustClose(t, p)
		if _, err := p.Acquire(t.Context()); err == nil {
			t.Fatal("acquired")
		}
		pass(time.Second)
		hang := make(chan struct{})
		b.set(func() { b.hang, b.calls = hang, 0 })
		var refused atomic.Int64
		for range 20 {
			go func() {
				if lease, err := p.Acquire(t.Context()); err != nil {
					refused.Add(1)
				} else {
					lease.Release()
				}
			}()
		}
		synctest.Wait()
		if b.calls != 1 || refused.Load() != 19 {
			t.Errorf("asked %d times, %d refused", b.calls, refused.Load())
		}
		close(hang)
		synctest.Wait()
	})
}

func TestPool_ABackendThatHangsHoldsNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		b := &backend{hang: hang}
		p := b.open(t, pool.Config[int]{MaxSize: 3, CreateTimeout: 4 * time.Second})
		defer mustClose(t, p)
		start := time.Now()
		_, err := p.Acquire(t.Context())
		wantCode(t, err, mcperrors.Unavailable)
		if time.Since(start) != 4*time.Second {
			t.Errorf("after %v", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		pass(time.Second) // past the back-off
		_, err = p.Acquire(ctx)
		wantCode(t, err, mcperrors.Unavailable)
		// What hangs is bounded too, however long it lasts.
		end := time.Now().Add(time.Hour)
		for time.Now().Before(end) {
			_, _ = p.Acquire(t.Context())
			pass(time.Second)
		}
		if s := p.Stats(); b.calls != 3 || s.Stuck != 3 {
			t.Errorf("asked %d times, stats %+v", b.calls, s)
		}
		b.set(func() { b.hang = nil })
		close(hang)
		synctest.Wait()
		if s := p.Stats(); s.Stuck != 0 || b.kept() != 0 {
			t.Errorf("what came late was kept: %d, stats %+v", b.kept(), s)
		}
		pass(10 * time.Second)
		acquire(t, p).Release()
	})
}

func TestPool_AHangingDestroyFreesItsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, hang := &backend{}, make(chan struct{})
		p := b.open(t, pool.Config[int]{
			MaxSize: 1, DestroyTimeout: 3 * time.Second,
			Destroy: func(context.Context, int) error { <-hang; return nil },
		})
		defer mustClose(t, p)
		defer close(hang)
		acquire(t, p).Destroy()
		start := time.Now()
		acquire(t, p).Release()
		if time.Since(start) != 3*time.Second {
			t.Errorf("after %v", time.Since(start))
		}
	})
}

func TestPool_APanicOfACallbackIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := func(context.Context, int) error { panic("boom") }
		b := &backend{}
		p := b.open(t, pool.Config[int]{Create: func(context.Context) (int, error) { panic("boom") }})
		_, err := p.Acquire(t.Context())
		wantCode(t, err, mcperrors.Unavailable)
		if e, ok := errors.AsType[*pool.PanicError](err); !ok || len(e.Stack) == 0 {
			t.Errorf("got %v", err)
		}
		mustClose(t, p)
		p = b.open(t, pool.Config[int]{ValidateAfter: -1, Validate: boom, Destroy: boom})
		_, err = p.Acquire(t.Context())
		wantCode(t, err, mcperrors.Unavailable)
		mustClose(t, p)
		if got := reported[*pool.PanicError](b); len(got) != 3 {
			t.Errorf("reports %v", b.reports)
		}
	})
}

// Fifty callers meet a backend that works, fails, hangs and comes back, for
// twenty minutes. However it goes, no caller waits beyond its time, no resource has two
// holders, the bounds hold, and nothing is left.
func TestPool_SurvivesAChaoticBackend(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) { chaos(t, seed) })
	}
}

func chaos(t *testing.T, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	b := &backend{invalid: map[int]bool{}}
	p := b.open(t, pool.Config[int]{
		MaxSize: 8, MinIdle: 2, MaxWaiters: 30, MaxLifetime: 10 * time.Minute, IdleTimeout: time.Minute,
		CreateTimeout: 2 * time.Second, ValidateTimeout: time.Second, MaxBackoff: 5 * time.Second, LeakAfter: -1,
	})
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var served, failed, unavailable atomic.Int64
	var mu sync.Mutex
	holders := map[int]int{}
	hold := func(v, n int) {
		mu.Lock()
		defer mu.Unlock()
		if holders[v] += n; holders[v] > 1 || b.kept() > 3*8 {
			t.Errorf("%d has %d holders", v, holders[v])
		}
	}
	for range 50 {
		own := rand.New(rand.NewPCG(rng.Uint64(), 1))
		callers.Go(func() {
			for ctx.Err() == nil {
				wait := time.Duration(1+own.IntN(3000)) * time.Millisecond
				call, cancel := context.WithTimeout(t.Context(), wait)
				start := time.Now()
				lease, err := p.Acquire(call)
				if took := time.Since(start); took > wait {
					t.Errorf("waited %v instead of %v", took, wait)
				}
				cancel()
				if err != nil {
					failed.Add(1)
					switch code := mcperrors.CodeOf(err); code {
					case mcperrors.Exhausted:
					case mcperrors.Unavailable:
						unavailable.Add(1)
					default:
						t.Errorf("code %q of %v", code, err)
					}
					<-time.After(time.Second)
					continue
				}
				served.Add(1)
				v, _ := lease.Value()
				hold(v, 1)
				<-time.After(time.Duration(own.IntN(500)) * time.Millisecond)
				hold(v, -1)
				if own.IntN(20) == 0 {
					lease.Destroy()
				} else {
					lease.Release()
				}
				lease.Release()
				<-time.After(time.Duration(own.IntN(2000)) * time.Millisecond)
			}
		})
	}
	var hang chan struct{}
	mend := func() {
		b.set(func() {
			if hang != nil {
				close(hang)
			}
			hang, b.hang, b.fail = nil, nil, nil
		})
	}
	for range 40 {
		mend()
		switch rng.IntN(4) {
		case 0:
			b.set(func() { b.fail = errDown })
		case 1:
			b.set(func() { hang = make(chan struct{}); b.hang = hang })
		case 2: // restarted
			b.set(func() {
				for v := range b.made {
					b.invalid[v+1] = true
				}
			})
		}
		pass(30 * time.Second)
		if s := p.Stats(); s.InUse+s.Idle > s.MaxSize || s.Stuck > 3*s.MaxSize || s.Waiting+s.InUse > 38 {
			t.Errorf("stats %+v", s)
		}
	}
	mend()
	pass(30 * time.Second) // recovered by now
	before := unavailable.Load()
	pass(30 * time.Second)
	if n := unavailable.Load() - before; n > 0 {
		t.Errorf("%d calls failed after the backend came back", n)
	}
	stop()
	callers.Wait()
	mustClose(t, p)
	if s := p.Stats(); b.kept() != 0 || s.InUse != 0 || s.Waiting != 0 || s.Stuck != 0 || served.Load() == 0 || failed.Load() == 0 {
		t.Errorf("%d kept, served %d, failed %d, stats %+v", b.kept(), served.Load(), failed.Load(), s)
	}
}
