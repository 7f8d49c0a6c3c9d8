package pool_test

import (
	"context"
	"testing"

	"github.com/jackc/puddle/v2"

	"github.com/trestle-mcp/trestle/pool"
)

func newInts(tb testing.TB, cfg pool.Config[int]) *pool.Pool[int] {
	tb.Helper()
	if cfg.Create == nil {
		cfg.Create = func(context.Context) (int, error) { return 1, nil }
	}
	p, err := pool.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// BenchmarkAcquire compares with what is below. The bar is twice puddle.
func BenchmarkAcquire(b *testing.B) {
	b.Run("puddle", func(b *testing.B) {
		p := newPuddle(b)
		b.ReportAllocs()
		for b.Loop() {
			res, err := p.Acquire(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			res.Release()
		}
	})
	b.Run("pool", func(b *testing.B) {
		p := newInts(b, pool.Config[int]{Validate: func(context.Context, int) error { return nil }})
		b.ReportAllocs()
		for b.Loop() {
			lease, err := p.Acquire(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			lease.Release()
		}
	})
	b.Run("puddle/parallel", func(b *testing.B) {
		p := newPuddle(b)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				res, err := p.Acquire(b.Context())
				if err != nil {
					b.Error(err)
					return
				}
				res.Release()
			}
		})
	})
	b.Run("pool/parallel", func(b *testing.B) {
		p := newInts(b, pool.Config[int]{Validate: func(context.Context, int) error { return nil }})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				lease, err := p.Acquire(b.Context())
				if err != nil {
					b.Error(err)
					return
				}
				lease.Release()
			}
		})
	})
}

func newPuddle(b *testing.B) *puddle.Pool[int] {
	b.Helper()
	p, err := puddle.NewPool(&puddle.Config[int]{
		Constructor: func(context.Context) (int, error) { return 1, nil }, Destructor: func(int) {}, MaxSize: 10,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	return p
}
