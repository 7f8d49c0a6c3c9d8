package plugin

import (
	"context"
	"sync/atomic"
	"time"
)

// A Change is what happened to a plugin.
type Change string

// The changes that there are.
const (
	ChangeRegister   Change = "register"
	ChangeReplace    Change = "replace"
	ChangeUnregister Change = "unregister"
	ChangeEnable     Change = "enable"
	ChangeDisable    Change = "disable"
	ChangeTrip       Change = "trip"  // its circuit opened
	ChangeRetry      Change = "retry" // it was tried again
)

// An Event is a change of one plugin, or one that failed.
type Event struct {
	Change  Change
	Plugin  string
	Version string // "" if it was never learned
	From    string // the version that was replaced
	Reason  string // why it was disabled
	// Err is why the change failed, or what went wrong while it was made, such as
	// an error of Stop.
	Err      error
	Failed   bool // the change was not made
	Time     time.Time
	Duration time.Duration
	Hash     string // of the set, afterwards
}

// counters are the part of [Stats] that only grows.
type counters struct {
	registered, replaced, unregistered, enabled, disabled atomic.Int64
	failed, panics, hangs                                 atomic.Int64
	trips, retries, canceled, abandoned                   atomic.Int64
}

func (c *counters) count(e Event) {
	switch {
	case e.Failed:
		c.failed.Add(1)
	case e.Change == ChangeRegister:
		c.registered.Add(1)
	case e.Change == ChangeReplace:
		c.replaced.Add(1)
	case e.Change == ChangeUnregister:
		c.unregistered.Add(1)
	case e.Change == ChangeEnable:
		c.enabled.Add(1)
	case e.Change == ChangeDisable:
		c.disabled.Add(1)
	}
}

// tell counts a change, and tells whoever wants to know.
func (m *Manager) tell(ctx context.Context, e Event) {
	e.Duration, e.Hash = time.Since(e.Time), m.Hash()
	m.stats.count(e)
	if m.opts.OnEvent == nil {
		return
	}
	defer func() { _ = recover() }() // the change is made; whoever is told does not undo it
	m.opts.OnEvent(context.WithoutCancel(ctx), e)
}
