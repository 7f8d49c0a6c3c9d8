package ratelimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

func TestLocal_DecidesWithoutAllocation(t *testing.T) {
	ctx := t.Context()
	for name, l := range algorithms() {
		allow(t, l, "k", 100) // its log has its size
		if n := testing.AllocsPerRun(1000, func() { _, _ = l.Allow(ctx, "k", 1) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	all := []*ratelimit.Local{
		ratelimit.SlidingWindow(1<<16, time.Hour), ratelimit.SlidingCounter(1<<20, time.Hour), ratelimit.TokenBucket(1<<20, time.Hour, 1<<20),
	}
	run := func() {
		charges := [...]ratelimit.Charge{
			{Rule: "a", Limiter: all[0], Key: "k", Cost: 1}, {Rule: "b", Limiter: all[1], Cost: 1}, {Rule: "c", Limiter: all[2], Cost: 1},
		}
		if d, err := ratelimit.AllowAll(ctx, charges[:]); err != nil || !d.Allowed {
			t.Fatal(d, err)
		}
	}
	allow(t, all[0], "k", 1<<15+1) // the next size holds what follows
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("three rules: %v allocations", n)
	}
}

func TestNew_CostsACallNoAllocation(t *testing.T) {
	mw, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
		{Name: "caller", Key: ratelimit.By(caller), Limiter: ratelimit.SlidingCounter(1<<20, time.Hour)},
		{Name: "tool", Key: ratelimit.ByTool("x", "y"), Limiter: ratelimit.SlidingCounter(1<<20, time.Hour)},
		{Name: "all", Limiter: ratelimit.TokenBucket(1<<20, time.Second, 1<<20)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := mw(func(context.Context, string, mcp.Request) (mcp.Result, error) { return nil, nil })
	ctx, req := as(t.Context(), "ann"), toolCall("y")
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := h(ctx, "tools/call", req); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLocal_ABudgetLiesWithinOneLineOfTheCache(t *testing.T) {
	if window, counts := ratelimit.SlotSizes(); window != 64 || counts != 32 {
		t.Errorf("slots of %d and %d bytes, want 64 and 32", window, counts)
	}
}
