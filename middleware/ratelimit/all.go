package ratelimit

import (
	"context"
	"errors"
	"fmt"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A Charge is what one rule wants to take.
type Charge struct {
	Rule    string // becomes Decision.Rule
	Limiter Limiter
	Key     string
	Cost    int
}

// maxCharges is how many charges may be decided about together.
const maxCharges = 8

var (
	errTooMany = fmt.Errorf("ratelimit: more than %d charges at once", maxCharges)
	errTwice   = errors.New("ratelimit: a limiter has two charges at once")
	errApart   = errors.New("ratelimit: limiters that are not local and do not join each other cannot decide together")
)

// AllowAll takes all charges or none, and returns the tightest decision: of the
// refusals that with the longest wait, else that with the least remaining.
//
// Local limiters decide in one step: no other call sees a budget from which one
// that is refused took. Limiters that are not [Local] are asked last, in one
// step if they are [Joint], and only if no local one refuses; while they are
// asked the others hold what was taken, and get it back if the answer is no.
//
// A limiter may have one charge; at most 8 charges are taken, at most one of
// them for a limiter that is neither local nor joins the others. A limiter that
// cannot decide makes an error with code Unavailable, and nothing is taken.
func AllowAll(ctx context.Context, charges []Charge) (Decision, error) {
	if len(charges) == 1 { // the frequent case
		if l, ok := charges[0].Limiter.(*Local); ok {
			d, err := l.Allow(ctx, charges[0].Key, charges[0].Cost)
			if err == nil {
				d.Rule = charges[0].Rule
			}
			return d, err
		}
	}
	var p plan
	if err := p.order(charges); err != nil {
		return Decision{}, err
	}
	d := p.take()
	if p.n > 0 {
		d.Rule = charges[p.tightest].Rule
	}
	if p.remote == 0 || !d.Allowed {
		return d, nil
	}
	keep := false
	defer func() { p.settle(keep) }()
	e, err := askRemote(ctx, charges, p.remote)
	keep = err == nil && e.Allowed
	if err != nil || p.n == 0 || e.Tighter(d) {
		return e, err
	}
	return d, nil
}

// A plan has the charges of local limiters in the order of their locks, which
// is the same for all callers. It does not keep the charges themselves, which
// lets those of a caller stay on its stack.
type plan struct {
	n, remote int // charges of local limiters, and of others
	local     [maxCharges]localCharge
	taken     int64 // when
	tightest  int   // charge
}

type localCharge struct {
	charge, cost int
	on           *Local
	key          id
	at           int
	shared       bool
}

func (p *plan) order(charges []Charge) error {
	if len(charges) > maxCharges {
		return errTooMany
	}
	for i := range charges {
		c := &charges[i]
		if c.Cost < 0 {
			return errNegative
		}
		l, ok := c.Limiter.(*Local)
		if !ok {
			p.remote++
			continue
		}
		if l.err != nil {
			return l.err
		}
		at := p.n
		for ; at > 0 && p.local[at-1].on.order >= l.order; at-- {
			if p.local[at-1].on == l {
				return errTwice
			}
			p.local[at] = p.local[at-1]
		}
		p.local[at] = localCharge{charge: i, cost: c.Cost, on: l, key: l.store.id(c.Key)}
		p.n++
	}
	return nil
}

// take decides with all budgets locked. If others have to agree, it holds.
func (p *plan) take() Decision {
	local := p.local[:p.n]
	for i := range local {
		local[i].on.store.lock(local[i].key)
	}
	p.taken = now()
	all := Decision{Allowed: true}
	for i := range local {
		c := &local[i]
		var d Decision
		if d, c.at = c.on.inspect(c.key, p.taken, c.cost); i == 0 || d.Tighter(all) {
			all, p.tightest = d, c.charge
		}
	}
	for i := range local {
		c := &local[i]
		if all.Allowed && c.cost > 0 {
			c.shared = c.on.store.take(c.key, c.at, p.taken, c.cost, p.remote > 0)
		}
		c.on.store.unlock(c.key)
	}
	return all
}

// settle keeps or gives back what is held for a remote decision.
func (p *plan) settle(keep bool) {
	for i := range p.local[:p.n] {
		if c := &p.local[i]; c.cost > 0 {
			s := c.on.store
			s.lock(c.key)
			s.settle(c.key, now(), p.taken, c.cost, keep, c.shared)
			s.unlock(c.key)
		}
	}
}

// askRemote decides about the charges that are not local, of which there are n.
// They are copied for it, so that those of other calls need no heap.
func askRemote(ctx context.Context, charges []Charge, n int) (d Decision, err error) {
	remote := make([]Charge, 0, n)
	for _, c := range charges {
		if _, ok := c.Limiter.(*Local); !ok {
			remote = append(remote, c)
		}
	}
	first := remote[0]
	if n == 1 {
		d, err = first.Limiter.Allow(ctx, first.Key, first.Cost)
		d.Rule = first.Rule
	} else {
		if err := joined(remote); err != nil {
			return Decision{}, err
		}
		d, err = first.Limiter.(Joint).AllowAll(ctx, remote) //nolint:errcheck // joined has looked
	}
	switch {
	case err == nil:
		return d, nil
	case ctx.Err() != nil:
		return Decision{}, err
	}
	return Decision{}, mcperrors.Wrap(mcperrors.Unavailable, "the limits cannot be checked now, retry shortly", err)
}

// joined returns an error unless the first limiter can decide about all.
func joined(remote []Charge) error {
	j, ok := remote[0].Limiter.(Joint)
	if !ok {
		return errApart
	}
	for _, c := range remote[1:] {
		if !j.Joins(c.Limiter) {
			return errApart
		}
	}
	return nil
}
