package transport

import (
	"sync"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// maxNotes bounds the modern notifications of one principal that are handled at
// a time. Legacy ones count as requests of their session.
const maxNotes = 256

// A notesGate bounds how many notifications are handled at once. There is no
// queue: each holds its own request until it is handled. All anonymous callers
// are one.
type notesGate struct {
	mu sync.Mutex
	of map[string]int // by principal
}

// enter admits a notification of principal, until leave.
func (g *notesGate) enter(principal, version string) *refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[principal] >= maxNotes {
		return coded(&mcperrors.Error{
			Code: mcperrors.RateLimited, Message: "too many notifications at once", RetryAfter: retryAfter,
		}, version)
	}
	if g.of == nil {
		g.of = map[string]int{}
	}
	g.of[principal]++
	return nil
}

func (g *notesGate) leave(principal string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[principal]--; g.of[principal] == 0 {
		delete(g.of, principal)
	}
}
