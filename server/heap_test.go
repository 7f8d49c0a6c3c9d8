package server_test

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/trestle-mcp/trestle/server"
)

// goal is at which size of the heap the collector runs next.
func goal() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestReserveHeap_PutsTheCollectorOffAndComesBack(t *testing.T) {
	const n = 64 << 20
	debug.FreeOSMemory()
	before := goal()
	release := server.ReserveHeap(n)
	debug.FreeOSMemory()
	if with := goal(); with < before+n {
		t.Errorf("the goal is %d, was %d", with, before)
	}
	release()
	debug.FreeOSMemory()
	if after := goal(); after > before+n/2 {
		t.Errorf("the goal stays at %d, was %d", after, before)
	}
}

func TestReserveHeap_LeavesAloneWhatTheOperatorSet(t *testing.T) {
	check := func(name string, reserve int) {
		t.Helper()
		debug.FreeOSMemory()
		before := goal()
		release := server.ReserveHeap(reserve)
		debug.FreeOSMemory()
		if with := goal(); with > before+32<<20 {
			t.Errorf("%s: the goal is %d, was %d", name, with, before)
		}
		release()
	}
	check("none", -1)
	t.Setenv("GOGC", "100")
	check("GOGC", 64<<20)
	t.Setenv("GOGC", "")
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64 - 1))
	check("a memory limit", 64<<20)
}
