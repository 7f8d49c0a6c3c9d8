package transport

import (
	"sync"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// listenRetry is what callers are told that are one stream too many.
const listenRetry = 5 * time.Second

// listens knows the open subscription streams, and bounds how many there are in
// all and of one principal. Anonymous callers cannot be told apart and are
// bounded in all only.
type listens struct {
	limit, each int // 0: no limit

	mu       sync.Mutex
	draining bool
	open     map[*listen]struct{}
	of       map[string]int // by principal
}

func newListens(limit, each int) *listens {
	return &listens{limit: limit, each: each, open: map[*listen]struct{}{}, of: map[string]int{}}
}

// begin admits l, until end.
func (s *listens) begin(l *listen, version string) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return unavailable(version)
	case s.limit > 0 && len(s.open) >= s.limit:
		return coded(&mcperrors.Error{Code: mcperrors.Exhausted, Message: "too many subscriptions are open", RetryAfter: listenRetry}, version)
	case s.each > 0 && l.principal != "" && s.of[l.principal] >= s.each:
		return coded(&mcperrors.Error{Code: mcperrors.RateLimited, Message: "you have too many subscriptions open", RetryAfter: listenRetry}, version)
	}
	s.open[l] = struct{}{}
	s.of[l.principal]++
	return nil
}

func (s *listens) end(l *listen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, l)
	if s.of[l.principal]--; s.of[l.principal] == 0 {
		delete(s.of, l.principal)
	}
}

// drain refuses streams from now on, and ends those that are open. It does not
// wait for them.
func (s *listens) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for l := range s.open {
		l.cancel(errDrained)
	}
}
