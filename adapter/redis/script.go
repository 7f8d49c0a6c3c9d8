package redis

import (
	"context"
	_ "embed"
	"errors"

	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

//go:embed limits.lua
var source string

// script is sent whole only to a Redis that does not have it yet.
var script = rueidis.NewLuaScript(source)

var errReply = errors.New("redis: the script answered what it never does")

// ask has Redis decide.
func (l *Limits) ask(ctx context.Context, charges []ratelimit.Charge) (ratelimit.Decision, error) {
	keys := make([]string, 0, len(charges))
	args := make([]string, 0, 6*len(charges))
	never := false
	for _, c := range charges {
		never = never || c.Cost > c.Limiter.(*Limiter).limit //nolint:errcheck,forcetypeassert // AllowAll has looked
	}
	asked := make([]budget, len(charges))
	for i, c := range charges {
		r := c.Limiter.(*Limiter) //nolint:errcheck,forcetypeassert // as above
		if !never {               // else nothing is taken, only looked at
			asked[i].cost = c.Cost
		}
		keys = append(keys, r.key(c.Key))
		args = r.kind.args(args, asked[i].cost)
	}
	reply, err := l.exec(ctx, keys, args)
	if err != nil {
		return ratelimit.Decision{}, err
	}
	if len(reply) != 2+3*len(charges) {
		return ratelimit.Decision{}, errReply
	}
	var tightest ratelimit.Decision
	for i, c := range charges {
		r := c.Limiter.(*Limiter) //nolint:errcheck,forcetypeassert // as above
		b := &asked[i]
		b.took, b.now, b.x, b.y, b.z = reply[0] == 1, reply[1], reply[2+3*i], reply[3+3*i], reply[4+3*i]
		d := r.kind.decide(*b)
		if c.Cost > r.limit {
			d.Allowed, d.RetryAfter = false, ratelimit.Never
		}
		if d.Rule = c.Rule; i == 0 || d.Tighter(tightest) {
			tightest = d
		}
	}
	return tightest, nil
}

// exec runs the script. What the caller cancels is not canceled there: for the
// client that would be a broken connection, also for others.
func (l *Limits) exec(ctx context.Context, keys, args []string) ([]int64, error) {
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	return await(ctx, l.timeout, func() ([]int64, error) {
		defer cancel()
		return script.Exec(detached, l.client, keys, args).AsIntSlice()
	})
}
