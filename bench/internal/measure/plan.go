package measure

import (
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// A Contender is a server that is measured.
type Contender struct {
	Name    string // as flags have it
	Command Command
	// WithSessions are arguments that make it keep legacy sessions, if it does
	// not without.
	WithSessions []string
	// Sessionless says that it cannot keep any.
	Sessionless bool
}

// A Plan says what is measured.
type Plan struct {
	Contenders  []Contender
	Eras        []workload.Era
	Kinds       []workload.Kind
	Connections []int
	Rounds      int
	Duration    time.Duration // of a round
	Warmup      time.Duration // before the first round
	Sessions    int           // how many are opened; 0: none are measured

	// Progress is told what begins. It may be nil.
	Progress func(what string)
}

// A Cell is one load that all contenders are put under.
type Cell struct {
	Era         workload.Era
	Kind        workload.Kind
	Connections int
}

// A Sample is what one contender needed in one round.
type Sample struct {
	CPU        float64 // µs of the server's user and system time, a call
	Rate       float64 // calls per second
	P50, P99   float64 // µs
	Allocs     float64 // a call
	AllocBytes float64 // a call
	RSS        float64 // bytes, at the end of the round
}

// A CellResult has the rounds of each contender, by name.
type CellResult struct {
	Cell
	Rounds map[string][]Sample
}

// A SessionSample is what one contender needed for legacy sessions.
type SessionSample struct {
	CPU        float64 // µs of the server's time, a handshake
	Allocs     float64 // a handshake
	AllocBytes float64 // a handshake
	Heap       float64 // bytes an idle session, after garbage collection
	Stack      float64 // bytes an idle session
	RSS        float64 // bytes an idle session
	Goroutines float64 // an idle session
	P50, P99   float64 // µs, of add calls among the idle sessions
}

// A SessionResult has the rounds of each contender, by name.
type SessionResult struct {
	Sessions    int
	Connections int // of the calls among the idle sessions
	Rounds      map[string][]SessionSample
}

// Results are all that was measured.
type Results struct {
	Cells    []CellResult
	Sessions *SessionResult // nil: not measured
}

func (p *Plan) tell(what string) {
	if p.Progress != nil {
		p.Progress(what)
	}
}
