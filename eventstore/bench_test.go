package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/trestle-mcp/trestle/eventstore"
)

// BenchmarkProject builds a view of 1,000 keys from 100,000 events.
func BenchmarkProject(b *testing.B) {
	s := eventstore.New(eventstore.NewMemory(), nil)
	var last eventstore.Position
	for i := range 100 {
		events := make([]eventstore.Event, 1000)
		for j := range events {
			events[j] = eventstore.Event{Type: "order.placed", Data: []byte(`{"amount":1299,"currency":"EUR"}`)}
		}
		for j := range 10 {
			stored, err := s.Append(b.Context(), fmt.Sprint("order-", 10*i+j), eventstore.Any, events[100*j:100*(j+1)]...)
			if err != nil {
				b.Fatal(err)
			}
			last = stored[99].Position
		}
	}
	version := 0
	for b.Loop() {
		version++
		p := counted("")
		p.Version = version
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
	b.ReportMetric(float64(100_000*version)/b.Elapsed().Seconds(), "events/s")
}
