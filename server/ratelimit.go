package server

import (
	"context"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

// DefaultRateLimit is how many calls a known caller has in any second, where
// [Options] has no rules. It is far beyond what an agent does, and keeps one
// that runs wild from taking the server away from the others.
const DefaultRateLimit = 1000

// rateLimit returns the layer, or what is wrong with the rules.
func (o *Options) rateLimit() (mcp.Middleware, error) {
	rules := o.RateLimits
	if rules == nil {
		rules = []ratelimit.Rule{{
			Name:    "caller",
			Key:     ratelimit.By(principalKey),
			Limiter: ratelimit.SlidingWindow(DefaultRateLimit, time.Second),
			Cost:    costIfKnown,
		}}
	}
	return ratelimit.New(ratelimit.Options{Rules: rules, Headers: o.RateLimitHeaders})
}

// limits is rateLimit for a stack. Where the rules have mistakes nobody may call.
func (o *Options) limits() mcp.Middleware {
	layer, err := o.rateLimit()
	if err == nil {
		return layer
	}
	return func(mcp.MethodHandler) mcp.MethodHandler {
		return func(context.Context, string, mcp.Request) (mcp.Result, error) { return nil, err }
	}
}

func principalKey(ctx context.Context) string {
	p, _ := auth.PrincipalFrom(ctx)
	return p.Key()
}

// costIfKnown lets callers without a token pass.
func costIfKnown(_ string, req mcp.Request) int {
	if extra := req.GetExtra(); extra != nil && extra.TokenInfo != nil {
		return 1
	}
	return 0
}
