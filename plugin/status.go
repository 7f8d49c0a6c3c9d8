package plugin

import (
	"maps"
	"slices"
	"time"
)

// A State is how a plugin is.
type State string

// The states that there are.
const (
	Enabled  State = "enabled"  // serves calls
	Disabled State = "disabled" // by [Manager.Disable], or never enabled
	Tripped  State = "tripped"  // disabled because of its panics; it is tried again
	Waiting  State = "waiting"  // disabled because a plugin that it requires tripped
)

// A Status describes a plugin to operators.
type Status struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   State  `json:"state"`
	// Reason says why it is not enabled. It may hold what the plugin's errors
	// say: it is not for clients.
	Reason string `json:"reason,omitempty"`
	// RetryAt is when a tripped plugin is tried again.
	RetryAt time.Time `json:"retryAt,omitzero"`
	// Since is when the plugin came into its state.
	Since time.Time `json:"since"`

	Prefix      string        `json:"prefix,omitempty"`
	Requires    []Requirement `json:"requires,omitempty"`
	Permissions []Permission  `json:"permissions,omitempty"`
	Toolsets    []Toolset     `json:"toolsets,omitempty"`

	Tools     []string `json:"tools,omitempty"` // their names, sorted, with the prefix
	Prompts   []string `json:"prompts,omitempty"`
	Resources []string `json:"resources,omitempty"` // URIs, and the text of templates
	Hash      string   `json:"hash"`                // of this plugin alone, see [Manager.Hash]

	Calls   int64 `json:"calls"`   // of this version, that have ended
	Running int   `json:"running"` // calls
	Panics  int64 `json:"panics"`  // of this version, and code that hung
}

// List returns all plugins, in the order of their names.
func (m *Manager) List() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Status, 0, len(m.units))
	for _, u := range slices.SortedFunc(maps.Values(m.units), byName) {
		all = append(all, u.status())
	}
	return all
}

// Status returns one plugin, if there is one of that name.
func (m *Manager) Status(name string) (_ Status, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.units[name]
	if u == nil {
		return Status{}, false
	}
	return u.status(), true
}

func (u *unit) status() Status {
	s := Status{
		Name: u.name, Version: u.version, State: u.state, Reason: u.reason, RetryAt: u.retryAt, Since: u.since,
		Prefix: u.setup.Prefix, Permissions: slices.Clone(u.permissions), Toolsets: slices.Clone(u.toolsets),
		Hash: u.hash, Panics: u.panics.Load(),
	}
	for _, r := range u.requires {
		s.Requires = append(s.Requires, r.Requirement)
	}
	for _, f := range u.features {
		switch f.Kind {
		case KindTool:
			s.Tools = append(s.Tools, f.Name())
		case KindPrompt:
			s.Prompts = append(s.Prompts, f.Name())
		default:
			s.Resources = append(s.Resources, f.Name())
		}
	}
	slices.Sort(s.Tools)
	slices.Sort(s.Prompts)
	slices.Sort(s.Resources)
	s.Running, s.Calls = u.counts()
	return s
}

// Stats counts what a [Manager] did. All but the first three only grow.
type Stats struct {
	Plugins, Enabled, Tripped int

	Registered, Replaced, Unregistered int64
	EnabledTimes, DisabledTimes        int64 // also of plugins that went along with another
	Failed                             int64 // changes that were refused or failed
	Panics, Hangs                      int64 // of plugins' code
	Trips, Retries                     int64 // of circuits
	Canceled                           int64 // calls that ran beyond DrainTimeout
	Abandoned                          int64 // of those, calls that did not even end then
}

// Stats returns the counters.
func (m *Manager) Stats() Stats {
	c := &m.stats
	s := Stats{
		Registered: c.registered.Load(), Replaced: c.replaced.Load(), Unregistered: c.unregistered.Load(),
		EnabledTimes: c.enabled.Load(), DisabledTimes: c.disabled.Load(), Failed: c.failed.Load(),
		Panics: c.panics.Load(), Hangs: c.hangs.Load(), Trips: c.trips.Load(), Retries: c.retries.Load(),
		Canceled: c.canceled.Load(), Abandoned: c.abandoned.Load(),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Plugins = len(m.units)
	for _, u := range m.units {
		switch u.state {
		case Enabled:
			s.Enabled++
		case Tripped:
			s.Tripped++
		case Disabled, Waiting:
		}
	}
	return s
}
