package plugin

import "time"

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

// Stats counts what a [Manager] did. All but the first three only grow.
type Stats struct {
	Plugins, Enabled, Tripped int

	Registered, Replaced, Unregistered int64
	EnabledTimes, DisabledTimes        int64 // by an operator
	Failed                             int64 // changes that were refused or failed
	Panics, Hangs                      int64 // of plugins' code
	Trips, Retries                     int64 // of circuits
	Canceled                           int64 // calls that ran beyond DrainTimeout
	Abandoned                          int64 // of those, calls that did not even end then
}

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
