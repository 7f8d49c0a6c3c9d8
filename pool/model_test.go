package pool_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/pool"
)

// A model is what a pool should be: a stack, a queue and a set.
type model struct {
	size, waiters int
	made          int
	down          bool
	bad           map[int]bool
	idle          []idleResource // the last is lent next
	held          map[int]pool.Lease[int]
	waiting       []*caller
	gone          []int // destroyed
}

type idleResource struct {
	id    int
	since time.Time
}

func (r idleResource) stale() bool { return time.Since(r.since) >= 500*time.Millisecond }

// A caller is in Acquire.
type caller struct {
	cancel context.CancelFunc
	lease  pool.Lease[int]
	err    error
	done   bool
}

// lend says which resource somebody gets for whom there is room, or none.
func (m *model) lend() (id int, ok bool) {
	for invalid := 0; len(m.idle) > 0; {
		top := m.idle[len(m.idle)-1]
		m.idle = m.idle[:len(m.idle)-1]
		if !top.stale() || !m.bad[top.id] {
			return top.id, true
		}
		m.gone = append(m.gone, top.id)
		if invalid++; invalid == 2 {
			m.idle = slices.DeleteFunc(m.idle, func(r idleResource) bool {
				if r.stale() {
					m.gone = append(m.gone, r.id)
				}
				return r.stale()
			})
		}
	}
	if m.down {
		return 0, false
	}
	m.made++
	return m.made, true
}

// settle checks what c got, for whom there was room.
func (m *model) settle(t *testing.T, c *caller) {
	t.Helper()
	id, ok := m.lend()
	if !c.done {
		t.Fatal("waits though there is room")
	}
	c.cancel()
	if !ok {
		wantCode(t, c.err, mcperrors.Unavailable)
		return
	}
	if c.err != nil || value(t, c.lease) != id {
		t.Fatalf("should have %d: %v", id, c.err)
	}
	m.held[id] = c.lease
}

// serve lets those who wait have what there is, in their order.
func (m *model) serve(t *testing.T) {
	t.Helper()
	synctest.Wait()
	for len(m.waiting) > 0 && len(m.held) < m.size {
		first := m.waiting[0]
		m.waiting = m.waiting[1:]
		m.settle(t, first)
	}
}

func (m *model) compare(t *testing.T, step string, b *backend, p *pool.Pool[int]) {
	t.Helper()
	type picture struct {
		InUse, Idle, Waiting, Made int
		Gone                       []int
	}
	s := p.Stats()
	got := picture{s.InUse, s.Idle, s.Waiting, b.made, slices.Sorted(slices.Values(b.ended()))}
	want := picture{len(m.held), len(m.idle), len(m.waiting), m.made, slices.Sorted(slices.Values(m.gone))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: %s", step, diff)
	}
}

// Random calls of the pool and of the model, one at a time in virtual time: they
// have to agree after each.
func TestPool_DoesAsTheModelDoes(t *testing.T) {
	for seed := range uint64(80) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { compare(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func compare(t *testing.T, rng *rand.Rand) {
	t.Helper()
	m := &model{size: 1 + rng.IntN(5), waiters: 1 + rng.IntN(4), held: map[int]pool.Lease[int]{}, bad: map[int]bool{}}
	b := &backend{invalid: m.bad}
	p := b.open(t, pool.Config[int]{
		MaxSize: m.size, MaxWaiters: m.waiters, MaxLifetime: -1, IdleTimeout: -1, LeakAfter: -1, MaxBackoff: -1,
	})
	var spent []pool.Lease[int]
	giveBack := func(end func(pool.Lease[int], int)) {
		if len(m.held) == 0 {
			return
		}
		ids := slices.Sorted(maps.Keys(m.held)) // the same each time the seed is run
		id := ids[rng.IntN(len(ids))]
		lease := m.held[id]
		delete(m.held, id)
		spent = append(spent, lease)
		end(lease, id)
		m.serve(t)
	}
	operations := []struct {
		name string
		do   func()
	}{
		{"acquire", func() {
			ctx, cancel := context.WithCancel(t.Context())
			c := &caller{cancel: cancel}
			go func() {
				c.lease, c.err = p.Acquire(ctx)
				c.done = true
			}()
			synctest.Wait()
			switch {
			case len(m.held) < m.size:
				m.settle(t, c)
			case len(m.waiting) == m.waiters:
				cancel()
				full, ok := errors.AsType[*pool.ExhaustedError](c.err)
				if !ok || full.InUse != m.size || full.Waiting != m.waiters || full.Idle != 0 {
					t.Fatalf("should be exhausted: %v", c.err)
				}
			case c.done:
				t.Fatalf("should wait: %v", c.err)
			default:
				m.waiting = append(m.waiting, c)
			}
		}},
		{"try", func() {
			if len(m.idle) > 0 && m.bad[m.idle[len(m.idle)-1].id] {
				return // whether there is room for the next depends on how fast the bad one ends
			}
			lease, err := p.TryAcquire(t.Context())
			synctest.Wait()
			switch {
			case len(m.held) == m.size:
				wantCode(t, err, mcperrors.Exhausted)
			case len(m.idle) == 0:
				wantCode(t, err, mcperrors.Exhausted)
				if id, ok := m.lend(); ok {
					m.idle = append(m.idle, idleResource{id, time.Now()})
				}
			default:
				id, _ := m.lend()
				if err != nil || value(t, lease) != id {
					t.Fatalf("should be %d: %v", id, err)
				}
				m.held[id] = lease
			}
		}},
		{"release", func() {
			giveBack(func(lease pool.Lease[int], id int) {
				m.idle = append(m.idle, idleResource{id, time.Now()})
				lease.Release()
			})
		}},
		{"destroy", func() {
			giveBack(func(lease pool.Lease[int], id int) {
				m.gone = append(m.gone, id)
				lease.Destroy()
			})
		}},
		{"misuse", func() {
			for _, lease := range spent {
				lease.Release()
				lease.Destroy()
				if _, err := lease.Value(); !errors.Is(err, pool.ErrReleased) {
					t.Fatalf("used after it was released: %v", err)
				}
			}
		}},
		{"give up", func() {
			if len(m.waiting) == 0 {
				return
			}
			i := rng.IntN(len(m.waiting))
			c := m.waiting[i]
			m.waiting = slices.Delete(m.waiting, i, i+1)
			c.cancel()
			synctest.Wait()
			if !c.done || !errors.Is(c.err, context.Canceled) {
				t.Fatalf("should have given up: done %v, %v", c.done, c.err)
			}
		}},
		{"time goes on", func() { <-time.After(time.Duration(rng.IntN(900)) * time.Millisecond) }},
		{"one goes bad", func() {
			if len(m.idle) > 0 {
				b.set(func() { m.bad[m.idle[rng.IntN(len(m.idle))].id] = true })
			}
		}},
		{"the backend goes or comes", func() {
			m.down = !m.down
			b.set(func() {
				if b.fail = nil; m.down {
					b.fail = errDown
				}
			})
		}},
	}
	for step := range 300 {
		op := operations[rng.IntN(len(operations))]
		op.do()
		synctest.Wait()
		m.compare(t, fmt.Sprintf("step %d, %s", step, op.name), b, p)
	}
	for _, lease := range m.held {
		lease.Release()
	}
	mustClose(t, p)
	if b.kept() != 0 {
		t.Errorf("%d kept", b.kept())
	}
}
