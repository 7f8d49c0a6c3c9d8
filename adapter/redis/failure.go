package redis

import (
	"context"
	"fmt"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// defaultShare keeps ten replicas within the limit.
const defaultShare = 0.1

// A Failure says how a limiter decides while Redis is gone.
type Failure struct {
	mode  mode
	share float64
}

type mode int

const (
	denies mode = iota
	allows
	local
)

// Local limits each process to a share of the limit, which is more than 0 and at
// most 1: rounded down, but at least 1. The default is a share of 0.1, with which
// ten replicas stay within a limit of 10 or more.
//
// Neither side knows what the other allowed: a window in which Redis goes or
// comes back can have the limit and the shares.
func Local(share float64) Failure { return Failure{local, share} }

// Deny refuses every call with an error of code Unavailable.
func Deny() Failure { return Failure{mode: denies} }

// Allow allows every call that costs no more than the limit.
func Allow() Failure { return Failure{mode: allows} }

// WithFailure returns a limiter with the budgets of r in Redis that does as f
// says while Redis is gone.
func (r *Limiter) WithFailure(f Failure) *Limiter {
	c := *r
	c.fail, c.spare = f, nil
	if f.mode != local || c.err != nil {
		return &c
	}
	if !(f.share > 0 && f.share <= 1) {
		c.err = fmt.Errorf("redis: limiter %q: a share of %v is not more than 0 and at most 1", c.name, f.share)
		return &c
	}
	c.spare = c.local(f.share)
	_, c.err = c.spare.Remaining(context.Background(), "") // tells its mistakes
	return &c
}

// part returns a share of limit, rounded down, but at least 1.
func part(limit int, share float64) int { return max(int(float64(limit)*share), 1) }

// without decides about charges in this process.
func (l *Limits) without(ctx context.Context, charges []ratelimit.Charge) (ratelimit.Decision, error) {
	all := ratelimit.Decision{Allowed: true}
	decided := false
	var spare []ratelimit.Charge
	for _, c := range charges {
		r := c.Limiter.(*Limiter)    //nolint:errcheck,forcetypeassert // AllowAll has looked
		d := r.kind.decide(budget{}) // as nothing was used
		switch {
		case c.Cost > r.limit:
			d.Allowed, d.RetryAfter = false, ratelimit.Never
		case r.fail.mode == denies:
			return ratelimit.Decision{}, &mcperrors.Error{
				Code: mcperrors.Unavailable, Message: "the limits cannot be checked now, retry shortly",
				RetryAfter: l.circuit.retry, Cause: l.circuit.why(),
			}
		case r.fail.mode == local:
			if c.Cost > part(r.limit, r.fail.share) { // but it fits when Redis is back
				d.Allowed, d.Remaining, d.RetryAfter = false, 0, l.circuit.retry
				break
			}
			c.Limiter = r.spare
			spare = append(spare, c)
			continue
		}
		if d.Rule = c.Rule; !decided || d.Tighter(all) {
			all, decided = d, true
		}
	}
	if !all.Allowed || len(spare) == 0 {
		return all, nil
	}
	d, err := ratelimit.AllowAll(ctx, spare)
	if err != nil {
		return ratelimit.Decision{}, err
	}
	if !decided || d.Tighter(all) {
		return d, nil
	}
	return all, nil
}
