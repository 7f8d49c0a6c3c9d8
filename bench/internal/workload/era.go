// Package workload has the requests that are sent to every contender, and
// judges the answers.
package workload

import "fmt"

// An Era is one of the two shapes of the protocol.
type Era int

// Eras.
const (
	Legacy Era = iota // 2025-11-25: initialize, sessions
	Modern            // 2026-07-28: neither; every request says who sends it
)

// String returns the name of e as flags have it.
func (e Era) String() string { return [...]string{"legacy", "modern"}[e] }

// Version returns the protocol version that stands for e.
func (e Era) Version() string { return [...]string{"2025-11-25", "2026-07-28"}[e] }

// Eras returns both.
func Eras() []Era { return []Era{Legacy, Modern} }

// A Kind is what is asked for.
type Kind int

// Kinds.
const (
	Add  Kind = iota // a small tool call
	Echo             // a tool call with 4 KiB of text, there and back
	List             // the list of all tools
)

// String returns the name of k as flags have it.
func (k Kind) String() string { return [...]string{"add", "echo", "list"}[k] }

// Title returns what people read.
func (k Kind) Title() string {
	return [...]string{"small `add` call", "4 KiB `echo`", fmt.Sprintf("list of %d tools", ListTools)}[k]
}

// Kinds returns all.
func Kinds() []Kind { return []Kind{Add, Echo, List} }

// Tools returns how many tools a server has for k besides add and echo.
func (k Kind) Tools() int {
	if k == List {
		return ListTools
	}
	return 0
}

// ListTools is how many tools make the list long.
const ListTools = 200
