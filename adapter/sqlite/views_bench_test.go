package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

// BenchmarkProject builds a view of 1,000 keys from 100,000 events. Beside it the
// same events are only read.
func BenchmarkProject(b *testing.B) {
	s, _ := benchStore(b)
	events := benchEvents(100)
	var last eventstore.Position
	for i := range 1000 {
		stored, err := s.Append(b.Context(), fmt.Sprint("order-", i), eventstore.Any, events...)
		if err != nil {
			b.Fatal(err)
		}
		last = stored[99].Position
	}
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			for _, err := range s.ReadAll(b.Context(), eventstore.Position{}, eventstore.Filter{}) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(100_000*b.N)/b.Elapsed().Seconds(), "events/s")
	})
	version := 0
	b.Run("Project", func(b *testing.B) {
		for b.Loop() {
			version++
			projectOnce(b, s, version, last)
		}
		b.ReportMetric(float64(100_000*b.N)/b.Elapsed().Seconds(), "events/s")
	})
}

func projectOnce(b *testing.B, s *eventstore.Store, version int, last eventstore.Position) {
	b.Helper()
	p := eventstore.Projection{
		Name: "count", Version: version,
		Apply: func(ctx context.Context, v *eventstore.View, e eventstore.Event) error {
			n := 0
			if _, err := v.Get(ctx, e.Stream, &n); err != nil {
				return err
			}
			return v.Set(e.Stream, n+1)
		},
	}
	projector, err := eventstore.NewProjector(s, p)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { err = projector.Run(ctx) })
	if err := projector.Wait(ctx, last); err != nil {
		b.Fatal(err)
	}
	cancel()
	if wg.Wait(); !errors.Is(err, context.Canceled) {
		b.Fatal(err)
	}
}
