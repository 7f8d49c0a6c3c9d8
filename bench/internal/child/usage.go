package child

import (
	"encoding/json"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"
)

// Usage is what the process has used since it began, and what it holds now.
type Usage struct {
	CPU        time.Duration `json:"cpu"`        // user and system time, from the operating system
	Allocs     uint64        `json:"allocs"`     // objects ever allocated
	AllocBytes uint64        `json:"allocBytes"` // bytes ever allocated
	Heap       uint64        `json:"heap"`       // bytes in heap objects, not yet freed ones included
	Stack      uint64        `json:"stack"`      // bytes in stack spans
	RSS        uint64        `json:"rss"`        // resident bytes; 0 where the system does not tell
	Goroutines int           `json:"goroutines"`
}

// serveUsage answers with the [Usage]; the query "gc" collects garbage before.
func serveUsage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("gc") {
		// Twice, for what finalizers and pools hold on to; and back to the
		// system, so that RSS shows what is really needed.
		runtime.GC()
		debug.FreeOSMemory()
	}
	u, err := readUsage()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	data, err := json.Marshal(u)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // the parent sees a short answer
}

func readUsage() (Usage, error) {
	cpu, err := cpuTime()
	if err != nil {
		return Usage{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{
		CPU: cpu, RSS: residentBytes(), Goroutines: runtime.NumGoroutine(),
		Allocs: m.Mallocs, AllocBytes: m.TotalAlloc, Heap: m.HeapAlloc, Stack: m.StackInuse,
	}, nil
}
