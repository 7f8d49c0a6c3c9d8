package lazyctx_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/internal/lazyctx"
)

type key struct{}

func begin(parent context.Context) *lazyctx.Context {
	c := new(lazyctx.Context)
	c.Begin(parent, time.Time{})
	return c
}

var errBoom = errors.New("boom")

func TestContext_EndsForThoseWhoWaitedBeforeAndAfter(t *testing.T) {
	c := begin(context.WithValue(t.Context(), key{}, "v"))
	if c.Err() != nil || context.Cause(c) != nil || c.Value(key{}) != "v" {
		t.Fatalf("at first: %v, %v, %v", c.Err(), context.Cause(c), c.Value(key{}))
	}
	before, cancel := context.WithCancel(c)
	defer cancel()
	c.End(context.Canceled, errBoom)
	c.End(context.DeadlineExceeded, nil) // too late
	after, cancelAfter := context.WithCancel(c)
	defer cancelAfter()
	for name, ctx := range map[string]context.Context{"itself": c, "before": before, "after": after} {
		<-ctx.Done()
		if ctx.Err() != context.Canceled || context.Cause(ctx) != errBoom || ctx.Value(key{}) != "v" { //nolint:errorlint // bare values
			t.Errorf("%s: %v, %v", name, ctx.Err(), context.Cause(ctx))
		}
	}
}

func TestContext_EndsWithItsParent(t *testing.T) {
	for _, waits := range []bool{false, true} {
		parent, cancel := context.WithCancelCause(t.Context())
		c := begin(parent)
		if waits {
			c.Done()
		}
		cancel(errBoom)
		if c.Err() != context.Canceled || context.Cause(c) != errBoom { //nolint:errorlint // bare values
			t.Errorf("%v, %v", c.Err(), context.Cause(c))
		}
		<-c.Done()
		c.End(context.DeadlineExceeded, nil)
		if c.Err() != context.Canceled { //nolint:errorlint // bare value
			t.Errorf("afterwards %v", c.Err())
		}
	}
}

func TestContext_ToldToEndBeforeAnybodyWaited(t *testing.T) {
	c := begin(lazyctx.Detached{Values: t.Context()})
	c.End(context.Canceled, errBoom)
	if c.Err() != context.Canceled || context.Cause(c) != errBoom { //nolint:errorlint // bare values
		t.Errorf("%v, %v", c.Err(), context.Cause(c))
	}
	c = begin(t.Context())
	c.End(context.DeadlineExceeded, nil)
	<-c.Done()
	if c.Err() != context.DeadlineExceeded || context.Cause(c) != context.DeadlineExceeded { //nolint:errorlint // bare values
		t.Errorf("%v, %v", c.Err(), context.Cause(c))
	}
}

func TestContext_TellsTheEarlierDeadline(t *testing.T) {
	near, far := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
	parent, cancel := context.WithDeadline(t.Context(), near)
	defer cancel()
	var early, late, none lazyctx.Context
	late.Begin(parent, far)
	early.Begin(t.Context(), near)
	none.Begin(lazyctx.Detached{Values: t.Context()}, time.Time{})
	for _, c := range []*lazyctx.Context{&early, &late} {
		if d, ok := c.Deadline(); !ok || !d.Equal(near) {
			t.Errorf("got %v, %v", d, ok)
		}
	}
	if _, ok := none.Deadline(); ok {
		t.Error("a deadline from nowhere")
	}
}

// Package context starts a goroutine for children of contexts it does not know.
func TestContext_IsJoinedWithoutAGoroutine(t *testing.T) {
	c := begin(lazyctx.Detached{Values: t.Context()})
	outer := begin(c)
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithCancel(outer)
		defer cancel()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	c.End(context.Canceled, nil)
}

func TestContext_CostsNothingUntilSomebodyWaits(t *testing.T) {
	var room [3000]lazyctx.Context
	parent, i := context.WithValue(t.Context(), key{}, "v"), 0
	if n := testing.AllocsPerRun(1000, func() {
		room[i].Begin(parent, time.Time{})
		_, _ = room[i].Err(), room[i].Value(key{})
		room[i].End(context.Canceled, nil)
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Run it with -race.
func TestContext_MayBeAskedAndEndedAtOnce(t *testing.T) {
	for range 200 {
		c := begin(t.Context())
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { <-c.Done() })
			all.Go(func() { _, _ = c.Err(), c.Value(key{}) })
			all.Go(func() { c.End(context.Canceled, errBoom) })
		}
		all.Wait()
		if context.Cause(c) != errBoom { //nolint:errorlint // bare value
			t.Fatalf("cause %v", context.Cause(c))
		}
	}
}

// It is what context.WithoutCancel makes, in every respect that can be seen.
func TestDetached_IsWithoutCancel(t *testing.T) {
	over, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "v"))
	deadline, stop := context.WithTimeout(over, time.Hour)
	defer stop()
	cancel(errBoom)
	c := lazyctx.Detached{Values: deadline}
	if _, ok := c.Deadline(); ok || c.Done() != nil || c.Err() != nil {
		t.Error("it ends")
	}
	if context.Cause(c) != nil {
		t.Errorf("the cause of another context: %v", context.Cause(c))
	}
	if c.Value(key{}) != "v" {
		t.Error("it lost a value")
	}
	child, cancelChild := context.WithCancel(begin(c))
	if child.Err() != nil || context.Cause(child) != nil {
		t.Errorf("a child is over: %v", context.Cause(child))
	}
	cancelChild()
	if n := testing.AllocsPerRun(100, func() { c.Value(key{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
