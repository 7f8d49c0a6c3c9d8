package timerqueue_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trestle-mcp/trestle/internal/timerqueue"
)

type waiter struct {
	timerqueue.Entry
	rang func()
}

func (w *waiter) Overdue() { w.rang() }

func TestQueue_TellsWhoWaitsForTheDelayAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, delay := range []time.Duration{time.Millisecond, time.Second, time.Hour} {
			q := timerqueue.New(delay)
			for range 3 { // also after it was empty
				begun := time.Now()
				var late atomic.Int64
				stays := make([]*waiter, 40)
				for i := range stays {
					stays[i] = &waiter{rang: func() {
						if took := time.Since(begun); took != delay {
							t.Errorf("%v: told after %v", delay, took)
						}
						late.Add(1)
					}}
					q.Add(&stays[i].Entry, stays[i])
				}
				leaves := &waiter{rang: func() { t.Error("told though it left") }}
				q.Add(&leaves.Entry, leaves)
				<-time.After(delay / 2)
				if late.Load() != 0 {
					t.Errorf("%v: told after half the time", delay)
				}
				if !leaves.Remove() || leaves.Remove() {
					t.Error("an entry leaves once")
				}
				q.Add(&leaves.Entry, leaves) // it can come again
				<-time.After(delay/2 + delay/4)
				if n := late.Load(); n != 40 {
					t.Errorf("%v: %d told, want 40", delay, n)
				}
				if stays[0].Remove() {
					t.Error("left after it was told")
				}
				if !leaves.Remove() {
					t.Error("did not leave")
				}
			}
		}
	})
}

func TestEntry_IsNowhereBeforeItIsAdded(t *testing.T) {
	if new(timerqueue.Entry).Remove() {
		t.Error("left a queue it was not in")
	}
}

// Each entry is told or leaves, never both, whoever is first.
func TestQueue_SettlesEachEntryOnce(t *testing.T) {
	q := timerqueue.New(time.Millisecond)
	var told, left atomic.Int64
	var all sync.WaitGroup
	const workers, rounds = 8, 500
	for range workers {
		all.Go(func() {
			for range rounds {
				rang := make(chan struct{})
				w := &waiter{rang: func() { told.Add(1); close(rang) }}
				q.Add(&w.Entry, w)
				if rand.N(8) != 0 && w.Remove() {
					left.Add(1)
					continue
				}
				<-rang
			}
		})
	}
	all.Wait()
	if told.Load()+left.Load() != workers*rounds || told.Load() == 0 || left.Load() == 0 {
		t.Errorf("%d told, %d left", told.Load(), left.Load())
	}
}

func TestQueue_CostsNoMemory(t *testing.T) {
	q := timerqueue.New(time.Hour)
	w := &waiter{}
	if n := testing.AllocsPerRun(1000, func() {
		q.Add(&w.Entry, w)
		w.Remove()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkQueue(b *testing.B) {
	b.Run("queue", func(b *testing.B) {
		q := timerqueue.New(time.Hour)
		b.RunParallel(func(pb *testing.PB) {
			w := &waiter{}
			for pb.Next() {
				q.Add(&w.Entry, w)
				w.Remove()
			}
		})
	})
	b.Run("timers", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			w := &waiter{}
			for pb.Next() {
				time.AfterFunc(time.Hour, w.Overdue).Stop()
			}
		})
	})
}
