package auth

import (
	"net/http"
	"sync/atomic"
)

// PolicyStats count the calls that [Authorize] did not let through.
type PolicyStats struct {
	Denied     int64 // and hidden: answered like what does not exist
	NeedScopes int64 // told which scopes would help
}

// Stats returns the numbers, which only grow. Calls that were let through are
// not counted: they are all others.
func (p *Policy) Stats() PolicyStats {
	if p == nil {
		return PolicyStats{}
	}
	return PolicyStats{Denied: p.refused.hidden.Load(), NeedScopes: p.refused.scopes.Load()}
}

type refusedCalls struct{ hidden, scopes atomic.Int64 }

// count wants a decision against a call.
func (p *Policy) count(d Decision) {
	switch {
	case p == nil:
	case d.Hidden():
		p.refused.hidden.Add(1)
	default:
		p.refused.scopes.Add(1)
	}
}

// GuardStats count the requests that a [Guard] did not let through.
type GuardStats struct {
	Unauthenticated int64 // no valid credentials: 401
	Forbidden       int64 // not the scopes that all need: 403
	Failed          int64 // could not be verified, by fault of the server or the issuer: 5xx
	Other           int64 // badly sent, too often, or given up by the client
}

// Stats returns the numbers, which only grow.
func (g *Guard) Stats() GuardStats {
	return GuardStats{
		Unauthenticated: g.refused.unauthenticated.Load(), Forbidden: g.refused.forbidden.Load(),
		Failed: g.refused.failed.Load(), Other: g.refused.other.Load(),
	}
}

type refusedRequests struct{ unauthenticated, forbidden, failed, other atomic.Int64 }

func (r *refusedRequests) count(status int) {
	switch {
	case status == http.StatusUnauthorized:
		r.unauthenticated.Add(1)
	case status == http.StatusForbidden:
		r.forbidden.Add(1)
	case status >= http.StatusInternalServerError:
		r.failed.Add(1)
	default:
		r.other.Add(1)
	}
}
