package health

import (
	"cmp"
	"slices"
	"time"
)

// A Report is all that a monitor knows at one moment.
type Report struct {
	Status   Status
	Draining bool
	Started  bool
	Checks   []Result // by name
}

// A Result is what is known of one check.
type Result struct {
	Name     string
	Kind     string
	Critical bool
	Status   Status
	Since    time.Time     // when the status changed last
	Checked  time.Time     // the last result; zero: none yet
	Took     time.Duration // the last check
	Output   string        // what is wrong, in words for operators; "" if nothing is
}

// Report returns what is known, from memory.
func (m *Monitor) Report() Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Report{
		Status: m.Status(), Draining: m.draining.Load(),
		Started: m.started.Load() || len(m.watches) == 0,
		Checks:  make([]Result, 0, len(m.watches)),
	}
	for _, w := range m.watches {
		out := Result{
			Name: w.Name, Kind: w.Kind, Critical: !w.Optional, Status: w.status,
			Since: w.since, Checked: w.at, Took: w.took, Output: w.output,
		}
		if !w.known {
			out.Output = "not checked yet"
		}
		r.Checks = append(r.Checks, out)
	}
	slices.SortFunc(r.Checks, func(a, b Result) int { return cmp.Compare(a.Name, b.Name) })
	return r
}
