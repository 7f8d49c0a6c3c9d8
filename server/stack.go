package server

import (
	"context"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/plugin"
)

// Stack returns the default production stack as one middleware, outermost
// first:
//
//	Recover      a panic becomes an internal error
//	RequestID    everything below can name the call
//	identify     the principal, from the verified token of each request
//	Log          sees every outcome
//	Observe      the options' own, for metrics and traces
//	Errors       encodes any error, redacts unknown ones
//	Audit        records what was allowed and denied, if there is a sink
//	checkURIs    refuses URIs that no sound client sends
//	Authorize    only what the policy allows the caller, if there is a policy
//	RateLimit    the rules of RateLimits
//	LimitResult  cuts answers at MaxResult, those of Middleware too
//	StripHidden  takes out characters that nobody sees, if the options say so
//	Middleware   the options' own
//	Concurrency  sheds load beyond MaxInFlight
//	Timeout      ends calls at their deadline
//
// A [Server] has it built in. It also runs on a bare go-sdk server:
//
//	s.AddReceivingMiddleware(server.Stack(nil))
//
// Nil options mean the defaults. Only Logger, Policy, Audit, PageSize, StateKeys,
// StateTTL, RateLimits, RateLimitHeaders, MaxResult, StripHidden, Observe,
// Middleware, MaxInFlight and Timeout matter here. Mistakes are not looked for,
// but rate limits with one let nobody call. What [Tool] and its like require is
// for a Server.
func Stack(opts *Options) mcp.Middleware {
	var o Options
	if opts != nil {
		o = *opts
	}
	o, _ = o.withDefaults()
	seal, _ := newSealer(o.StateKeys, o.StateTTL, o.Logger)
	return o.stack(new(bounds), o.authorize(seal, nil))
}

// bounds are the layers whose numbers a server tells.
type bounds struct {
	gate     middleware.Gate
	deadline middleware.Deadline
}

// stack takes layers to set up, and what authorizes calls, or nil.
func (o *Options) stack(b *bounds, authorize mcp.Middleware) mcp.Middleware {
	b.gate.Max, b.deadline.Limit = o.MaxInFlight, o.Timeout
	return middleware.Chain(
		middleware.Recover(),
		middleware.RequestID(),
		identify,
		middleware.Log(o.Logger, middleware.LogOptions{Principal: principalName}),
		middleware.Chain(o.Observe...),
		middleware.Errors(),
		o.audit(),
		checkURIs,
		authorize,
		o.limits(),
		middleware.LimitResult(o.MaxResult),
		o.stripHidden(),
		middleware.Chain(o.Middleware...),
		b.gate.Middleware(),
		b.deadline.Middleware(),
	)
}

func (o *Options) stripHidden() mcp.Middleware {
	if !o.StripHidden {
		return nil
	}
	return middleware.StripHidden()
}

func (s *Server) stack() mcp.Middleware {
	authorize := s.opts.authorize(s.seal, s.show)
	if authorize == nil {
		authorize = s.viewed()
	}
	s.bounds.deadline.For = s.timeoutFor
	authorize = middleware.Chain(watchLists, authorize)
	return middleware.Chain(s.resolveAliases, s.opts.stack(&s.bounds, authorize), legacyHandshake, s.withCall)
}

// identify puts the caller into the context. Over HTTP that is who this
// request's token was verified for, and nobody else: a session's context holds
// who opened it, which need not be who calls.
func identify(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if extra := req.GetExtra(); extra != nil && (extra.Header != nil || extra.TokenInfo != nil) {
			if _, known := auth.PrincipalFrom(ctx); known || extra.TokenInfo != nil {
				ctx = auth.WithTokenInfo(ctx, extra.TokenInfo)
			}
		}
		return next(ctx, method, req)
	}
}

// principalName is the caller as a person reads it in the log.
func principalName(ctx context.Context) string {
	p, ok := auth.PrincipalFrom(ctx)
	switch {
	case !ok:
		return ""
	case p.Issuer == "":
		return p.Subject
	}
	return p.Subject + " of " + p.Issuer
}

// legacyHandshake keeps a session that was opened by initialize in the legacy
// era. The SDK remembers the version that was asked for, not the one it
// answered, so a client that asks for a modern one would be taken for modern.
func legacyHandshake(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if p, ok := req.GetParams().(*mcp.InitializeParams); ok && p != nil && era.IsModern(p.ProtocolVersion) {
			p.ProtocolVersion = era.LastLegacy
		}
		return next(ctx, method, req)
	}
}

// timeoutFor returns a tool's own timeout, or zero.
func (s *Server) timeoutFor(_ string, req mcp.Request) time.Duration {
	if p, ok := req.GetParams().(*mcp.CallToolParamsRaw); ok {
		if e, ok := s.names.get(plugin.KindTool, p.Name); ok {
			return e.Timeout
		}
	}
	return 0
}
