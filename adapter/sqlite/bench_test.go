package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
)

func benchStore(b *testing.B) (*eventstore.Store, *sqlite.Backend) {
	b.Helper()
	backend, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "events.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := backend.Close(); err != nil {
			b.Error(err)
		}
	})
	return eventstore.New(backend, nil), backend
}

func benchEvents(n int) []eventstore.Event {
	data := []byte(`{"order":"0123456789","amount":1299,"currency":"EUR","lines":[{"sku":"A-1","n":2}]}`)
	out := make([]eventstore.Event, n)
	for i := range out {
		out[i] = eventstore.Event{Type: "order.placed", Data: data}
	}
	return out
}

// BenchmarkFsync is what the disk takes for 4 KiB: the unit of the others.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendBatch(b *testing.B) {
	s, _ := benchStore(b)
	events := benchEvents(1000)
	for b.Loop() {
		if _, err := s.Append(b.Context(), "orders", eventstore.Any, events...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(events))/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppendSingle(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprint("Writers", writers), func(b *testing.B) {
			s, _ := benchStore(b)
			events := benchEvents(1)
			took := make([][]time.Duration, writers)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						began := time.Now()
						if _, err := s.Append(b.Context(), fmt.Sprint("orders-", w), eventstore.Any, events...); err != nil {
							b.Error(err)
							return
						}
						took[w] = append(took[w], time.Since(began))
					}
				})
			}
			wg.Wait()
			all := slices.Sorted(slices.Values(slices.Concat(took...)))
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkMillion measures what is done to a store of a million events.
func BenchmarkMillion(b *testing.B) {
	s, backend := benchStore(b)
	events := benchEvents(10_000)
	for i := range 100 {
		if _, err := s.Append(b.Context(), fmt.Sprint("orders-", i%10), eventstore.Any, events...); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Replay", func(b *testing.B) {
		n := 0
		for b.Loop() {
			for _, err := range s.ReadAll(b.Context(), eventstore.Position{}, eventstore.Filter{}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("ReadStream", func(b *testing.B) {
		n := 0
		for b.Loop() {
			for _, err := range s.ReadStream(b.Context(), "orders-1", 0, eventstore.Forward) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	})
	b.Run("Load", func(b *testing.B) {
		r, err := eventstore.NewRepository(s, eventstore.Aggregate[int]{
			Kind:  "count",
			Apply: func(n int, _ eventstore.Event) (int, error) { return n + 1, nil },
		})
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		if _, _, err := r.Load(b.Context(), "orders-1"); err != nil {
			b.Fatal(err)
		}
		for ok := false; !ok; {
			if _, ok, err = backend.LoadSnapshot(b.Context(), "orders-1", "count"); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			if n, _, err := r.Load(b.Context(), "orders-1"); err != nil || n != 100_000 {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("Reopen", func(b *testing.B) {
		for b.Loop() {
			again, err := sqlite.Open(b.Context(), backend.Path(), nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := again.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
