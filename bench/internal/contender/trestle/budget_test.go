//go:build !race

package trestle_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/contender/trestle"
	"github.com/trestle-mcp/trestle/bench/internal/load"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// What a small call with the whole production stack may cost, net/http's own
// share included. Allocations do not depend on the machine, so this holds where
// times cannot be compared.
const (
	maxAllocs = 60
	maxBytes  = 5000
)

func TestProduction_ACallKeepsWithinItsBudgetOfMemory(t *testing.T) {
	for _, era := range workload.Eras() {
		t.Run(era.String(), func(t *testing.T) {
			h, err := trestle.New(trestle.Production, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, conn, addr := served(t, h)
			run := func(s load.Script, calls int) {
				t.Helper()
				if _, err := load.Run(t.Context(), []load.Client{{Conn: conn, Script: s}}, load.Limits{Duration: time.Minute, Calls: calls}); err != nil {
					t.Fatal(err)
				}
			}
			session := ""
			if era == workload.Legacy {
				opener := workload.NewHandshakes(addr)
				run(opener, 2)
				session = opener.Sessions[0]
			}
			script := workload.NewCalls(workload.Add, era, addr, session)
			run(script, 500)
			const calls = 5000
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			run(script, calls)
			runtime.ReadMemStats(&after)
			allocs := float64(after.Mallocs-before.Mallocs) / calls
			bytes := float64(after.TotalAlloc-before.TotalAlloc) / calls
			t.Logf("%.1f allocations, %.0f bytes a call", allocs, bytes)
			if allocs > maxAllocs || bytes > maxBytes {
				t.Errorf("%.1f allocations and %.0f bytes a call, want at most %d and %d", allocs, bytes, maxAllocs, maxBytes)
			}
		})
	}
}
