package ratelimit

import (
	"context"
	"fmt"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A Limiter has one limit and a budget of it for each key. [Local] is one; an
// adapter may keep the budgets of many replicas in one place. All methods are
// safe for concurrent use.
//
// A limiter with a method Err() error says there whether it was made with
// mistakes; [New] returns them.
type Limiter interface {
	// Allow takes cost from the budget of key, or refuses and takes nothing.
	// A cost of zero is always allowed. An error means that there is no
	// decision: the cost is negative, or what keeps the budgets is out of reach.
	Allow(ctx context.Context, key string, cost int) (Decision, error)
	// Remaining returns how much Allow would grant to key now.
	Remaining(ctx context.Context, key string) (int, error)
}

// A Joint limiter keeps its budgets in the same place as others, and decides
// together with them in one step.
type Joint interface {
	Limiter
	// Joins reports whether other is kept in the same place.
	Joins(other Limiter) bool
	// AllowAll is as the function [AllowAll]. The limiters of all charges join
	// the receiver, which is one of them. It must not keep charges.
	AllowAll(ctx context.Context, charges []Charge) (Decision, error)
}

// Never is the RetryAfter of a call that costs more than its limit.
const Never time.Duration = -1

// A Decision says whether a call is allowed, and how its budget stands after it.
type Decision struct {
	Allowed bool
	// Rule names the rule that decided; empty if a limiter was asked directly.
	Rule string
	// Limit is what the budget holds, and Window the time in which all of it
	// may be used once.
	Limit  int
	Window time.Duration
	// Remaining is what is left of Limit now.
	Remaining int
	// RetryAfter is when the same cost fits, if nothing else is allowed till
	// then: zero if it is allowed, [Never] if it does not fit into the limit.
	RetryAfter time.Duration
	// Reset is when all of Limit is there again, if nothing is allowed till then.
	Reset time.Duration
}

// Err returns nil if the call is allowed, else a RateLimited error that tells
// when to retry; for a call that never fits, a Validation error, since its
// caller can only ask for less.
func (d Decision) Err() error {
	if d.Allowed {
		return nil
	}
	rule := ""
	var details map[string]any
	if d.Rule != "" {
		rule = fmt.Sprintf(" %q", d.Rule)
		details = map[string]any{"rule": d.Rule, "limit": d.Limit}
	}
	if d.RetryAfter < 0 {
		return &mcperrors.Error{
			Code: mcperrors.Validation, Details: details,
			Message: fmt.Sprintf("this call costs more than the limit%s of %d can ever grant", rule, d.Limit),
		}
	}
	return &mcperrors.Error{
		Code: mcperrors.RateLimited, Details: details, RetryAfter: max(d.RetryAfter, 1),
		Message: fmt.Sprintf("too many requests, the limit%s is %d in %v", rule, d.Limit, d.Window),
	}
}

// Tighter reports whether d is what a caller should hear of, rather than e: a
// refusal before a grant, the longer wait, the smaller rest.
func (d Decision) Tighter(e Decision) bool {
	switch {
	case d.Allowed != e.Allowed:
		return !d.Allowed
	case d.Allowed && d.Remaining != e.Remaining:
		return d.Remaining < e.Remaining
	case d.Allowed:
		return d.Reset > e.Reset
	case d.RetryAfter < 0 || e.RetryAfter < 0:
		return e.RetryAfter >= 0
	}
	return d.RetryAfter > e.RetryAfter
}
