package transport

import (
	"sync"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// maxListens and maxListensEach bound the subscription streams that are open at
// once, in all and of one principal. Anonymous callers cannot be told apart and
// are bounded in all only.
const (
	maxListens     = 4096
	maxListensEach = 64
)

// listenRetry is what callers are told that are one stream too many.
const listenRetry = 5 * time.Second

// listens counts the open subscription streams.
type listens struct {
	limit, each int

	mu  sync.Mutex
	all int
	of  map[string]int // by principal
}

func newListens() *listens {
	return &listens{limit: maxListens, each: maxListensEach, of: map[string]int{}}
}

// begin admits a stream of principal. end is to be called when it ends.
func (l *listens) begin(principal, version string) (end func(), _ *refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.limit {
		return nil, coded(&mcperrors.Error{Code: mcperrors.Exhausted, Message: "too many subscriptions are open", RetryAfter: listenRetry}, version)
	}
	if principal != "" && l.of[principal] >= l.each {
		return nil, coded(&mcperrors.Error{Code: mcperrors.RateLimited, Message: "you have too many subscriptions open", RetryAfter: listenRetry}, version)
	}
	l.all++
	l.of[principal]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all--
		if l.of[principal]--; l.of[principal] == 0 {
			delete(l.of, principal)
		}
	}, nil
}
