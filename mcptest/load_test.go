package mcptest_test

import (
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/mcptest"
)

func TestLoad_CallsAsAPrincipalAndIsHeldToABudget(t *testing.T) {
	plan := mcptest.Plan{Clients: 2, Calls: 20, Mix: []mcptest.LoadCall{{Tool: "add", Args: func(n int) any { return addIn{n, 1} }}}}
	report := mcptest.Load(t, newServer(t), plan, mcptest.As(&auth.Principal{Issuer: "test", Subject: "ann"}), mcptest.Legacy())
	mcptest.Within(t, report, mcptest.Budget{})
	if report.Calls != 20 {
		t.Errorf("%d calls", report.Calls)
	}

	faults := &mcptest.Faults{Seed: 1, Drops: 1}
	plan.Clients = 1
	dropped := mcptest.Load(t, newServer(t), plan, mcptest.Through(faults))
	if dropped.Failed != 20 || dropped.Errors["connection"] != 20 {
		t.Errorf("through dropped connections: %v", dropped)
	}

	plan.Mix[0].Args = func(int) any { return addIn{A: -1} }
	got := failed(t, func(tb testing.TB) {
		mcptest.Within(tb, mcptest.Load(tb, newServer(t), plan), mcptest.Budget{P50: 1, P99: 1, Rate: 1e12})
	})
	for _, want := range []string{"p50", "p99", "20 of 20 calls failed", "calls a second", "failed with validation: 20"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	mcptest.Within(t, mcptest.Load(t, newServer(t), plan), mcptest.Budget{Failed: 1})
	if got := failed(t, func(tb testing.TB) { mcptest.Load(tb, newServer(t), mcptest.Plan{}) }); !strings.Contains(got, "Mix is empty") {
		t.Error(got)
	}
	if got := failed(t, func(tb testing.TB) { mcptest.Within(tb, new(mcptest.LoadReport), mcptest.Budget{}) }); !strings.Contains(got, "no calls") {
		t.Error(got)
	}
}
