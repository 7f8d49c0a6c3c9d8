package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/pool"
)

// upstreams opens clients, which are numbered in the order they were opened.
type upstreams struct {
	mu     sync.Mutex
	opened []string
	closed []int
	fail   error
	hang   chan struct{}
}

func (u *upstreams) open(_ context.Context, key string) (int, error) {
	u.mu.Lock()
	hang, err := u.hang, u.fail
	u.opened = append(u.opened, key)
	n := len(u.opened)
	u.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return n, err
}

func (u *upstreams) close(_ context.Context, v int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = append(u.closed, v)
	return nil
}

func (u *upstreams) ended() []int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.closed)
}

func (u *upstreams) keyed(t *testing.T, cfg pool.KeyedConfig[string, int]) *pool.Keyed[string, int] {
	t.Helper()
	cfg.Name, cfg.Open = "test", u.open
	if cfg.Close == nil {
		cfg.Close = u.close
	}
	k, err := pool.NewKeyed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func share(t *testing.T, k *pool.Keyed[string, int], key string) *pool.Share[int] {
	t.Helper()
	s, err := k.Acquire(t.Context(), key)
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	return s
}

func TestKeyed_OpensEachKeyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{hang: make(chan struct{})}
		k := u.keyed(t, pool.KeyedConfig[string, int]{})
		defer mustClose(t, k)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				s := share(t, k, "ann")
				defer s.Release()
				if v := value(t, s); v != 1 {
					t.Errorf("got %d", v)
				}
			})
		}
		synctest.Wait()
		close(u.hang)
		wg.Wait()
		share(t, k, "bob").Release()
		if diff := cmp.Diff([]string{"ann", "bob"}, u.opened); diff != "" {
			t.Error(diff)
		}
	})
}

func TestKeyed_ClosesTheOneUnusedForLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{}
		k := u.keyed(t, pool.KeyedConfig[string, int]{MaxKeys: 3})
		defer mustClose(t, k)
		held := share(t, k, "held")
		share(t, k, "old").Release()
		share(t, k, "young").Release()
		share(t, k, "old").Release() // young is unused for longest now
		share(t, k, "more").Release()
		synctest.Wait()
		if diff := cmp.Diff([]int{3}, u.ended()); diff != "" {
			t.Error(diff)
		}
		more, old := share(t, k, "more"), share(t, k, "old")
		_, err := k.Acquire(t.Context(), "one too many")
		wantCode(t, err, mcperrors.Exhausted)
		if full, ok := errors.AsType[*pool.ExhaustedError](err); !ok || full.InUse != 3 || full.MaxSize != 3 {
			t.Errorf("got %+v", full)
		}
		if v := value(t, held); v != 1 {
			t.Errorf("got %d", v)
		}
		for _, s := range []*pool.Share[int]{held, more, old} {
			s.Release()
		}
		if s := k.Stats(); s.Evicted != 1 || s.Refused != 1 || s.Values != 3 || s.Unused != 3 || s.Opened != 4 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestKeyed_ClosesWhatIsUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{}
		k := u.keyed(t, pool.KeyedConfig[string, int]{IdleTimeout: time.Minute})
		defer mustClose(t, k)
		held := share(t, k, "held")
		share(t, k, "idle").Release()
		pass(59 * time.Second)
		if len(u.ended()) > 0 {
			t.Error("closed too early")
		}
		pass(20 * time.Second)
		if diff := cmp.Diff([]int{2}, u.ended()); diff != "" {
			t.Error(diff)
		}
		held.Release()
		if s := k.Stats(); s.IdleClosed != 1 || s.Values != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestKeyed_AFailureIsRememberedForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{fail: mcperrors.Errorf(mcperrors.Authorization, "not yours")}
		k := u.keyed(t, pool.KeyedConfig[string, int]{})
		defer mustClose(t, k)
		_, err := k.Acquire(t.Context(), "ann")
		wantCode(t, err, mcperrors.Authorization)
		_, err = k.Acquire(t.Context(), "ann")
		if e := wantCode(t, err, mcperrors.Unavailable); e.RetryAfter <= 0 {
			t.Error("no time to retry after")
		}
		if len(u.opened) != 1 {
			t.Errorf("opened %v", u.opened)
		}
		u.fail = nil
		share(t, k, "bob").Release() // another key is not concerned
		pass(100 * time.Millisecond)
		share(t, k, "ann").Release()
	})
}

func TestKeyed_GivenBackTwiceHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{}
		k := u.keyed(t, pool.KeyedConfig[string, int]{})
		defer mustClose(t, k)
		a, b := share(t, k, "ann"), share(t, k, "ann")
		a.Release()
		a.Release()
		a.Destroy()
		if _, err := a.Value(); !errors.Is(err, pool.ErrReleased) {
			t.Errorf("used after it was released: %v", err)
		}
		if s := k.Stats(); s.Unused != 0 || s.Values != 1 {
			t.Errorf("stats %+v", s)
		}
		b.Release()
	})
}

func TestKeyed_WhatIsBrokenOrDroppedIsNotSharedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{}
		k := u.keyed(t, pool.KeyedConfig[string, int]{})
		defer mustClose(t, k)
		other := share(t, k, "ann")
		err := k.Do(t.Context(), "ann", func(context.Context, int) error { return fmt.Errorf("reset by peer: %w", pool.ErrBroken) })
		if !errors.Is(err, pool.ErrBroken) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if len(u.ended()) > 0 {
			t.Error("closed while it is used")
		}
		if v := value(t, other); v != 1 {
			t.Errorf("got %d", v)
		}
		second := share(t, k, "ann")
		if v := value(t, second); v != 2 {
			t.Errorf("got %d", v)
		}
		other.Release()
		second.Release()
		if !k.Drop("ann") || k.Drop("ann") {
			t.Error("Drop does not know what there is")
		}
		synctest.Wait()
		if diff := cmp.Diff([]int{1, 2}, slices.Sorted(slices.Values(u.ended()))); diff != "" {
			t.Error(diff)
		}
		func() {
			defer func() { _ = recover() }()
			_ = k.Do(t.Context(), "bob", func(context.Context, int) error { panic("in Do") })
		}()
		if s := k.Stats(); s.Unused != 1 || s.Dropped != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestKeyed_AHangingOpenHoldsNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{hang: make(chan struct{})}
		k := u.keyed(t, pool.KeyedConfig[string, int]{OpenTimeout: 4 * time.Second, MaxKeys: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := k.Acquire(ctx, "ann")
		wantCode(t, err, mcperrors.Unavailable)
		if time.Since(start) != time.Second {
			t.Errorf("after %v", time.Since(start))
		}
		_, err = k.Acquire(t.Context(), "ann")
		wantCode(t, err, mcperrors.Unavailable)
		if time.Since(start) != 4*time.Second || k.Stats().Stuck != 1 {
			t.Errorf("after %v, stats %+v", time.Since(start), k.Stats())
		}
		go func() { _, _ = k.Acquire(t.Context(), "bob") }()
		synctest.Wait()
		closing, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if left, ok := errors.AsType[*pool.CloseError](k.Close(closing)); !ok || left.Stuck != 2 {
			t.Errorf("got %v", left)
		}
		if _, err := k.Acquire(t.Context(), "bob"); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("got %v", err)
		}
		close(u.hang)
		mustClose(t, k)
		if diff := cmp.Diff([]int{1, 2}, slices.Sorted(slices.Values(u.ended()))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestKeyed_CloseWakesWaitersAndCountsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstreams{}
		k := u.keyed(t, pool.KeyedConfig[string, int]{})
		held := share(t, k, "ann")
		u.hang = make(chan struct{})
		failure := make(chan error, 1)
		go func() {
			_, err := k.Acquire(t.Context(), "bob")
			failure <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		go close(u.hang)
		left, ok := errors.AsType[*pool.CloseError](k.Close(ctx))
		if !ok || left.InUse != 1 || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", left, time.Since(start))
		}
		if err := <-failure; !errors.Is(err, pool.ErrClosed) {
			t.Errorf("the waiter got %v", err)
		}
		if v := value(t, held); v != 1 {
			t.Errorf("got %d", v)
		}
		held.Release()
		mustClose(t, k)
		if len(u.ended()) != 2 {
			t.Errorf("closed %v", u.ended())
		}
	})
}

// Many use few keys at once, some break what they get. No value is closed
// under a user, none is closed twice, and none is left.
func TestKeyed_RaceOfManyUsers(t *testing.T) {
	u := &upstreams{}
	var mu sync.Mutex
	users, over := map[int]int{}, map[int]bool{}
	k := u.keyed(t, pool.KeyedConfig[string, int]{MaxKeys: 3, Close: func(_ context.Context, v int) error {
		mu.Lock()
		defer mu.Unlock()
		if users[v] > 0 || over[v] {
			t.Errorf("%d is closed with %d users, before: %v", v, users[v], over[v])
		}
		over[v] = true
		return nil
	}})
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 3))
		wg.Go(func() {
			for range 200 {
				key := string(rune('a' + rng.IntN(5)))
				err := k.Do(t.Context(), key, func(_ context.Context, v int) error {
					mu.Lock()
					users[v]++
					mu.Unlock()
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						users[v]--
					}()
					if rng.IntN(10) == 0 {
						return pool.ErrBroken
					}
					return nil
				})
				if err != nil && !errors.Is(err, pool.ErrBroken) && mcperrors.CodeOf(err) != mcperrors.Exhausted {
					t.Error(err)
				}
				if rng.IntN(30) == 0 {
					k.Drop(key)
				}
			}
		})
	}
	wg.Wait()
	mustClose(t, k)
	if len(over) != len(u.opened) {
		t.Errorf("%d opened, %d closed", len(u.opened), len(over))
	}
}
