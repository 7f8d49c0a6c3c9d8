package ratelimit

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Options configure [New].
type Options struct {
	// Rules limit the calls. A call takes from each rule that is about it, or
	// from none. At most 8; none limits nothing.
	Rules []Rule
	// Headers adds RateLimit and RateLimit-Policy to HTTP answers, for the
	// tightest rule, as draft-ietf-httpapi-ratelimit-headers-11 has them. It
	// tells callers what the limits are. Needs Trestle's transport; calls that
	// it hands to go-sdk, and answers to batches, have none.
	Headers bool
}

// New returns the layer that limits calls, or all mistakes in opts. A call
// beyond a limit is refused as [Decision.Err] says, and takes nothing.
//
// Its place is inside of Errors and what authenticates and authorizes, since
// budgets go by who calls, and outside of Concurrency.
func New(opts Options) (mcp.Middleware, error) {
	rules, err := checked(opts.Rules)
	if err != nil {
		return nil, err
	}
	l := &layer{rules: rules, headers: opts.Headers}
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if err := l.limit(ctx, method, req); err != nil {
				return nil, err
			}
			return next(ctx, method, req)
		}
	}, nil
}

type layer struct {
	rules   []Rule
	headers bool
}

func (l *layer) limit(ctx context.Context, method string, req mcp.Request) error {
	var all [maxCharges]Charge
	charges := all[:0]
	for i := range l.rules {
		r := &l.rules[i]
		if !r.about(method, req) {
			continue
		}
		if cost := r.cost(method, req); cost != 0 {
			c := Charge{Rule: r.Name, Limiter: r.Limiter, Cost: cost}
			if r.Key != nil {
				c.Key = r.Key(ctx, method, req)
			}
			charges = append(charges, c)
		}
	}
	if len(charges) == 0 {
		return nil
	}
	d, err := AllowAll(ctx, charges)
	if err != nil {
		return err
	}
	if l.headers {
		writeHeader(ctx, d)
	}
	return d.Err()
}
