package pool_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/pool"
)

func TestNew_ReportsEveryMistake(t *testing.T) {
	_, err := pool.New(pool.Config[int]{MaxSize: -1, MinIdle: -1, CreateTimeout: -1})
	for _, want := range []string{"Create", "MaxSize", "MinIdle", "CreateTimeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s: %v", want, err)
		}
	}
}

func TestPool_LendsWhatWasIdleForTheShortestTime(t *testing.T) {
	b := &backend{}
	p := b.open(t, pool.Config[int]{MaxSize: 3})
	defer mustClose(t, p)
	first, second, third := acquire(t, p), acquire(t, p), acquire(t, p)
	first.Release()
	third.Release()
	second.Release()
	var got []int
	for range 3 {
		lease := acquire(t, p)
		defer lease.Release()
		got = append(got, value(t, lease))
	}
	if diff := cmp.Diff([]int{2, 3, 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPool_ServesWaitersInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 1})
		defer mustClose(t, p)
		held := acquire(t, p)
		var order []int
		for i := range 8 {
			go func() {
				lease := acquire(t, p)
				order = append(order, i)
				lease.Release()
			}()
			synctest.Wait()
		}
		held.Release()
		synctest.Wait()
		if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7}, order); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPool_ShedsCallersBeyondMaxWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 2, MaxWaiters: 3})
		defer mustClose(t, p)
		a, c := acquire(t, p), acquire(t, p)
		for range 3 {
			go func() { acquire(t, p).Release() }()
		}
		synctest.Wait()
		_, err := p.Acquire(t.Context())
		e := wantCode(t, err, mcperrors.Exhausted)
		if e.RetryAfter <= 0 || strings.Contains(e.Text(), "test") {
			t.Errorf("retry after %v, text %q", e.RetryAfter, e.Text())
		}
		full, ok := errors.AsType[*pool.ExhaustedError](err)
		want := &pool.ExhaustedError{Name: "test", MaxSize: 2, InUse: 2, Waiting: 3}
		if !ok || *full != *want {
			t.Errorf("got %+v, want %+v", full, want)
		}
		if s := p.Stats(); s.Shed != 1 || s.Waiting != 3 || s.InUse != 2 {
			t.Errorf("stats %+v", s)
		}
		a.Release()
		c.Release()
		synctest.Wait()
		if s := p.Stats(); s.Waiting != 0 || s.InUse != 0 || s.Idle != 2 || s.Acquired != 5 || s.Waited != 5 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPool_WaitsNoLongerThanItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 1})
		defer mustClose(t, p)
		held := acquire(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Acquire(ctx)
		wantCode(t, err, mcperrors.Exhausted)
		if full, ok := errors.AsType[*pool.ExhaustedError](err); !ok || full.InUse != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %#v", full)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := p.Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of the context", err)
		}
		held.Release()
		if s := p.Stats(); s.GaveUp != 2 || s.Waiting != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPool_TryAcquireDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 1})
		defer mustClose(t, p)
		_, err := p.TryAcquire(t.Context())
		wantCode(t, err, mcperrors.Exhausted)
		synctest.Wait() // the one it began to make is there
		lease, err := p.TryAcquire(t.Context())
		if err != nil || value(t, lease) != 1 {
			t.Fatalf("got %v", err)
		}
		_, err = p.TryAcquire(t.Context())
		wantCode(t, err, mcperrors.Exhausted)
		lease.Release()
	})
}

func TestLease_GivenBackTwiceHarmsNobody(t *testing.T) {
	b := &backend{}
	p := b.open(t, pool.Config[int]{MaxSize: 1})
	defer mustClose(t, p)
	old := acquire(t, p)
	same := old
	old.Release()
	fresh := acquire(t, p)
	old.Release()
	same.Release()
	old.Destroy()
	if v := value(t, fresh); v != 1 {
		t.Errorf("another has %d", v)
	}
	if _, err := same.Value(); !errors.Is(err, pool.ErrReleased) {
		t.Errorf("used after it was released: %v", err)
	}
	if s := p.Stats(); s.InUse != 1 || s.Idle != 0 {
		t.Errorf("stats %+v", s)
	}
	fresh.Destroy()
	fresh.Release()
	if _, err := fresh.Value(); !errors.Is(err, pool.ErrReleased) {
		t.Errorf("used after it was destroyed: %v", err)
	}
	var none pool.Lease[int]
	none.Release()
	none.Destroy()
	if _, err := none.Value(); !errors.Is(err, pool.ErrReleased) {
		t.Errorf("zero lease: %v", err)
	}
}

func TestPool_DoGivesBackWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 1})
		defer mustClose(t, p)
		errMine := errors.New("mine")
		if err := p.Do(t.Context(), func(context.Context, int) error { return errMine }); !errors.Is(err, errMine) {
			t.Errorf("got %v", err)
		}
		if b.kept() != 1 {
			t.Error("an error of the function cost the resource")
		}
		if err := p.Do(t.Context(), func(context.Context, int) error { return pool.ErrBroken }); !errors.Is(err, pool.ErrBroken) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if b.kept() != 0 {
			t.Error("a broken resource was kept")
		}
		func() {
			defer func() {
				if v := recover(); v != "mine" {
					t.Errorf("recovered %v", v)
				}
			}()
			_ = p.Do(t.Context(), func(context.Context, int) error { panic("mine") })
		}()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = p.Do(t.Context(), func(context.Context, int) error { runtime.Goexit(); return nil })
		}()
		<-done
		synctest.Wait()
		if s := p.Stats(); s.InUse != 0 || s.Destroyed != 3 || s.Waiting != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPool_ResetsWhatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		var reset []int
		verdict := func() error { return nil }
		p := b.open(t, pool.Config[int]{MaxSize: 1, Reset: func(v int) error {
			reset = append(reset, v)
			return verdict()
		}})
		defer mustClose(t, p)
		lease := acquire(t, p)
		lease.Release()
		lease.Release()
		verdict = func() error { return errDown }
		acquire(t, p).Release()
		synctest.Wait()
		verdict = func() error { panic("in reset") }
		acquire(t, p).Release()
		synctest.Wait()
		if diff := cmp.Diff([]int{1, 1, 2}, reset); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int{1, 2}, b.ended()); diff != "" {
			t.Error(diff)
		}
		if got := reported[*pool.PanicError](b); len(got) != 1 || got[0].Value != "in reset" {
			t.Errorf("reports %v", b.reports)
		}
		if s := p.Stats(); s.ResetFailed != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPool_ValidatesWhatWasIdleForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 4})
		defer mustClose(t, p)
		lease := acquire(t, p)
		pass(time.Minute) // held, not idle
		lease.Release()
		pass(499 * time.Millisecond)
		acquire(t, p).Release()
		if b.validated != 0 {
			t.Error("validated too early")
		}
		pass(500 * time.Millisecond)
		acquire(t, p).Release()
		if b.validated != 1 {
			t.Errorf("validated %d times", b.validated)
		}
	})
}

func TestPool_ARestartedBackendCostsNoCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 10})
		defer mustClose(t, p)
		idle := make([]pool.Lease[int], 0, 10)
		for range 10 {
			idle = append(idle, acquire(t, p))
		}
		for _, lease := range idle {
			lease.Release()
		}
		pass(time.Second)
		b.set(func() {
			b.invalid = map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true}
		})
		lease := acquire(t, p)
		if v := value(t, lease); v != 11 {
			t.Errorf("got %d", v)
		}
		lease.Release()
		synctest.Wait()
		if s := p.Stats(); b.validated != 2 || s.Invalid != 10 || s.Idle != 1 {
			t.Errorf("validated %d, stats %+v", b.validated, s)
		}
	})
}

func TestPool_AttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{invalid: map[int]bool{1: true, 2: true, 3: true, 4: true}}
		p := b.open(t, pool.Config[int]{MaxSize: 4, ValidateAfter: -1})
		defer mustClose(t, p)
		_, err := p.Acquire(t.Context())
		wantCode(t, err, mcperrors.Unavailable)
		if !errors.Is(err, errDown) || b.made != 3 {
			t.Errorf("made %d: %v", b.made, err)
		}
	})
}

func TestPool_LifetimesEndOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 50, MinIdle: 50, MaxLifetime: 100 * time.Minute, IdleTimeout: -1})
		defer mustClose(t, p)
		pass(90*time.Minute - time.Second)
		if len(b.ended()) > 0 {
			t.Fatalf("%d ended early", len(b.ended()))
		}
		pass(5 * time.Minute)
		synctest.Wait()
		if n := len(b.ended()); n < 5 || n > 45 {
			t.Errorf("%d of 50 ended at half of the jitter", n)
		}
		pass(6 * time.Minute)
		synctest.Wait()
		if s := p.Stats(); s.Expired < 50 || s.Idle != 50 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPool_AnOldResourceIsNotLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 1, MaxLifetime: time.Minute})
		defer mustClose(t, p)
		lease := acquire(t, p)
		pass(2 * time.Minute)
		lease.Release()
		if v := borrowed(t, p); v != 2 {
			t.Errorf("got %d", v)
		}
	})
}

func TestPool_KeepsMinIdleAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 10, MinIdle: 3, IdleTimeout: time.Minute})
		defer mustClose(t, p)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 3 {
			t.Fatalf("stats %+v", s)
		}
		var held []pool.Lease[int]
		lent := map[int]bool{}
		for range 6 {
			held = append(held, acquire(t, p))
			lent[value(t, held[len(held)-1])] = true
		}
		synctest.Wait()
		if s := p.Stats(); s.Idle != 3 || s.InUse != 6 {
			t.Errorf("stats %+v", s)
		}
		for _, lease := range held {
			lease.Release()
		}
		pass(2 * time.Minute)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 3 || s.IdleDestroyed != 6 {
			t.Errorf("stats %+v", s)
		}
		// Those that were of use are kept.
		if v := borrowed(t, p); !lent[v] {
			t.Errorf("kept %d, which was never lent", v)
		}
	})
}

func TestPool_TellsWhoHoldsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{LeakAfter: time.Minute})
		defer mustClose(t, p)
		first := acquire(t, p)
		pass(2 * time.Minute)
		second := leakHere(t, p)
		pass(5 * time.Minute)
		leaks := reported[*pool.LeakError](b)
		if len(leaks) != 2 || p.Stats().Leaks != 2 {
			t.Fatalf("reports %v", b.reports)
		}
		if len(leaks[0].Stack) > 0 || leaks[0].Held < time.Minute {
			t.Errorf("first: %v", leaks[0])
		}
		if !strings.Contains(leaks[1].Error(), "leakHere") {
			t.Errorf("second: %v", leaks[1])
		}
		first.Release()
		second.Release()
	})
}

func leakHere(t *testing.T, p *pool.Pool[int]) pool.Lease[int] {
	t.Helper()
	lease, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestPool_LeakStacksAreRecordedFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{LeakAfter: time.Minute, LeakStacks: true})
		defer mustClose(t, p)
		lease := leakHere(t, p)
		pass(2 * time.Minute)
		leaks := reported[*pool.LeakError](b)
		if len(leaks) != 1 || !strings.HasSuffix(leaks[0].Stack[1].Function, "leakHere") {
			t.Errorf("reports %v", b.reports)
		}
		lease.Release()
	})
}

func TestPool_CheckThatWaitedInVainAtABusyPoolIsNotIll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.New(pool.Config[int]{MaxSize: 1, Create: func(context.Context) (int, error) {
			<-time.After(time.Second)
			return 1, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		taken := make(chan pool.Lease[int])
		go func() { taken <- acquire(t, p) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		checked := make(chan error)
		go func() { checked <- p.Check(ctx) }() // nothing is lent yet
		lease := <-taken
		if err := <-checked; err != nil {
			t.Errorf("got %v", err)
		}
		lease.Release()
		mustClose(t, p)
	})
}

func TestPool_CheckTellsIllFromBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 1, MaxWaiters: 1})
		if err := p.Check(t.Context()); err != nil || b.validated != 1 {
			t.Errorf("a healthy pool: %v, validated %d", err, b.validated)
		}
		lease := acquire(t, p)
		if err := p.Check(t.Context()); err != nil {
			t.Errorf("a busy pool: %v", err)
		}
		go func() { acquire(t, p).Destroy() }()
		synctest.Wait()
		wantCode(t, p.Check(t.Context()), mcperrors.Exhausted)
		lease.Release()
		synctest.Wait()
		b.set(func() { b.fail = errDown })
		err := p.Check(t.Context())
		wantCode(t, err, mcperrors.Unavailable)
		if !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
		mustClose(t, p)
		if err := p.Check(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("a closed pool: %v", err)
		}
		if s := p.Stats(); s.InUse != 0 || s.Waiting != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestPool_LendsWithoutAllocation(t *testing.T) {
	p := newInts(t, pool.Config[int]{MinIdle: 1, Validate: func(context.Context, int) error { return nil }})
	acquire(t, p).Release()
	got := testing.AllocsPerRun(1000, func() {
		lease, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lease.Value(); err != nil {
			t.Fatal(err)
		}
		lease.Release()
	})
	if got > 0 {
		t.Errorf("%v allocations", got)
	}
}
