package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/pool"
)

// All calls at once, and Close in the middle of it: nobody shares a resource,
// and none is left.
func TestPool_RaceOfManyCallersAndClose(t *testing.T) {
	b := &backend{}
	p := b.open(t, pool.Config[int]{
		MaxSize: 4, MinIdle: 2, ValidateAfter: -1, MaxLifetime: 20 * time.Millisecond, IdleTimeout: 10 * time.Millisecond,
		LeakAfter: 5 * time.Millisecond, Reset: func(int) error { return nil },
	})
	var mu sync.Mutex
	holders := map[int]int{}
	use := func(lease pool.Lease[int]) {
		v, err := lease.Value()
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		if holders[v]++; holders[v] > 1 {
			t.Errorf("%d has %d holders", v, holders[v])
		}
		mu.Unlock()
		_ = p.Stats()
		mu.Lock()
		holders[v]--
		mu.Unlock()
	}
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		wg.Go(func() {
			for range 60 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rng.IntN(2000))*time.Microsecond)
				take := p.Acquire
				if rng.IntN(4) == 0 {
					take = p.TryAcquire
				}
				lease, err := take(ctx)
				cancel()
				switch code := mcperrors.CodeOf(err); {
				case err == nil:
					use(lease)
					if rng.IntN(5) == 0 {
						lease.Destroy()
					}
					go lease.Release()
					lease.Release()
				case errors.Is(err, pool.ErrClosed):
					return
				case code != mcperrors.Exhausted && code != mcperrors.Unavailable:
					t.Errorf("code %q of %v", code, err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			_ = p.Check(t.Context())
		}
		mustClose(t, p)
	})
	wg.Wait()
	mustClose(t, p)
	if b.kept() != 0 {
		t.Errorf("%d kept", b.kept())
	}
	if s := p.Stats(); s.InUse != 0 || s.Waiting != 0 || s.Idle != 0 {
		t.Errorf("stats %+v", s)
	}
}
