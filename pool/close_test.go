package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/pool"
)

func TestPool_CloseWakesEveryWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 2})
		held := []pool.Lease[int]{acquire(t, p), acquire(t, p)}
		const waiters = 10
		failures := make(chan error, waiters)
		for range waiters {
			go func() {
				_, err := p.Acquire(t.Context())
				failures <- err
			}()
		}
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- p.Close(t.Context()) }()
		synctest.Wait() // nothing was released, and no time has passed
		if len(failures) != waiters {
			t.Fatalf("%d of %d woke", len(failures), waiters)
		}
		for range waiters {
			err := <-failures
			wantCode(t, err, mcperrors.Unavailable)
			if !errors.Is(err, pool.ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		for _, lease := range held {
			value(t, lease) // may still be used
			lease.Release()
			lease.Release()
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if b.kept() != 0 || p.Stats().InUse != 0 {
			t.Errorf("%d kept, stats %+v", b.kept(), p.Stats())
		}
		if _, err := p.Acquire(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("Acquire: %v", err)
		}
		if _, err := p.TryAcquire(t.Context()); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("TryAcquire: %v", err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

func TestPool_CloseGivesUpWithACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		p := b.open(t, pool.Config[int]{MaxSize: 3, LeakStacks: true})
		leaked := []pool.Lease[int]{leakHere(t, p), leakHere(t, p)}
		acquire(t, p).Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := p.Close(ctx)
		if time.Since(start) != time.Second {
			t.Errorf("took %v", time.Since(start))
		}
		left, ok := errors.AsType[*pool.CloseError](err)
		if !ok || left.InUse != 2 || left.Stuck != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if leaks := reported[*pool.LeakError](b); len(leaks) != 2 || len(leaks[0].Stack) == 0 {
			t.Errorf("reports %v", b.reports)
		}
		leaked[0].Release()
		leaked[1].Destroy()
		mustClose(t, p)
		if b.kept() != 0 {
			t.Errorf("%d kept", b.kept())
		}
	})
}

func TestPool_CloseDoesNotWaitForCallbacksThatHang(t *testing.T) {
	forever := func(hang chan struct{}) func(context.Context, int) error {
		return func(context.Context, int) error { <-hang; return nil }
	}
	for name, prepare := range map[string]func(*testing.T, *backend, chan struct{}) *pool.Pool[int]{
		"Create": func(t *testing.T, b *backend, hang chan struct{}) *pool.Pool[int] {
			p := b.open(t, pool.Config[int]{MaxSize: 1})
			b.hang = hang
			return p
		},
		"Validate": func(t *testing.T, b *backend, hang chan struct{}) *pool.Pool[int] {
			p := b.open(t, pool.Config[int]{MaxSize: 1, ValidateAfter: -1, Validate: forever(hang)})
			return p
		},
		"Destroy": func(t *testing.T, b *backend, hang chan struct{}) *pool.Pool[int] {
			p := b.open(t, pool.Config[int]{MaxSize: 1, Destroy: forever(hang)})
			acquire(t, p).Destroy()
			return p
		},
		"Reset": func(t *testing.T, b *backend, hang chan struct{}) *pool.Pool[int] {
			p := b.open(t, pool.Config[int]{MaxSize: 1, Reset: func(int) error { <-hang; return nil }})
			lease := acquire(t, p)
			go lease.Release()
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, hang := &backend{}, make(chan struct{})
				p := prepare(t, b, hang)
				failures := make(chan error, 3)
				for range cap(failures) {
					go func() {
						_, err := p.Acquire(t.Context())
						failures <- err
					}()
				}
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				err := p.Close(ctx)
				if left, ok := errors.AsType[*pool.CloseError](err); !ok || left.InUse+left.Stuck != 1 {
					t.Errorf("got %v", err)
				}
				synctest.Wait()
				for range len(failures) {
					if err := <-failures; !errors.Is(err, pool.ErrClosed) {
						t.Errorf("a waiter got %v", err)
					}
				}
				if s := p.Stats(); s.Waiting != 0 {
					t.Errorf("stats %+v", s)
				}
				close(hang)
				mustClose(t, p)
			})
		})
	}
}

func TestPool_CloseWithoutAnythingIsImmediate(t *testing.T) {
	p, err := pool.New(pool.Config[int]{Create: (&backend{}).create, MinIdle: 3})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, p)
}
