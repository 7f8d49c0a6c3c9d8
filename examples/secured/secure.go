package main

import (
	"cmp"
	"context"
	_ "embed" // the policy
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

//go:embed policy.yaml
var builtIn []byte

// security is who may call, and do what, how often.
type security struct {
	addr, audience string
	hosts          []string // that may be called by; nil: this machine's addresses
	guard          *auth.Guard
	policy         *auth.Policy
	log            *zap.Logger
}

// secure does what the flags say. demo is nil where there is a real issuer.
func (c *config) secure(ctx context.Context, demo *issuer, logs io.Writer) (_ *security, err error) {
	s := &security{addr: c.addr, audience: cmp.Or(c.audience, "http://"+c.addr+"/mcp"), log: newLog(logs)}
	events := slog.New(slog.NewJSONHandler(logs, nil))
	trusted := c.issuer
	switch {
	case c.addr == "":
		return nil, errors.New("-addr is empty")
	case demo != nil && c.jwks != "":
		return nil, errors.New("-jwks needs -issuer, whose keys they are")
	case demo != nil:
		trusted = demo.url
	}
	if c.audience != "" { // a name, maybe of a proxy, that the server cannot know by itself
		at, err := url.Parse(c.audience)
		if err != nil || at.Hostname() == "" {
			return nil, errors.New("-audience is not a URL")
		}
		s.hosts = []string{at.Hostname()}
	}
	tokens, err := auth.NewJWT(auth.JWTOptions{
		Issuer: trusted, KeySetURL: c.jwks, Audiences: []string{s.audience}, RolesClaim: c.rolesClaim, Logger: events,
	})
	if err != nil {
		return nil, err
	}
	s.guard, err = auth.NewGuard(auth.Options{
		Verify: tokens.Verify,
		Metadata: &auth.Metadata{
			Resource: s.audience, AuthorizationServers: []string{trusted}, ScopesSupported: []string{purgeScope},
		},
		Logger: events,
	})
	if err != nil {
		return nil, fmt.Errorf("%w; -audience is the URL that clients reach this server at", err)
	}
	if s.policy, err = c.openPolicy(events); err != nil {
		return nil, err
	}
	// An issuer that is down now may be up soon: until then, tokens get 503.
	if err := tokens.Warm(ctx); err != nil {
		events.Warn("the issuer's keys cannot be had yet", slog.Any("error", errors.Join(err, errors.Unwrap(err))))
	}
	return s, nil
}

// openPolicy follows a file, or takes the policy that is built in.
func (c *config) openPolicy(events *slog.Logger) (*auth.Policy, error) {
	if c.policy != "" {
		return auth.OpenPolicy(c.policy, auth.PolicyFileOptions{Interval: c.policyInterval, Logger: events})
	}
	spec, err := auth.ParsePolicy(builtIn)
	if err != nil {
		return nil, err
	}
	return auth.NewPolicy(spec)
}

func (s *security) close() { _ = s.policy.Close() } // it returns nil

func (s *security) options() *server.Options {
	return &server.Options{
		Title:  "Notes",
		Addr:   s.addr,
		HTTP:   transport.Options{AllowedHosts: s.hosts},
		Auth:   s.guard,
		Policy: s.policy,
		Logger: s.log,
		Audit:  server.AuditLog(s.log), // what was allowed and denied, and why
		RateLimits: []ratelimit.Rule{
			{Name: "caller", Key: ratelimit.By(callerKey), Limiter: ratelimit.SlidingWindow(50, time.Second)},
			{Name: "writes", Key: ratelimit.By(callerKey), Limiter: ratelimit.SlidingWindow(20, time.Minute), Tools: []string{"note_write"}},
		},
		RateLimitHeaders: true,
	}
}

// newLog drops nothing under load, as zap's own for production would: an audit
// that has gaps is none.
func newLog(w io.Writer) *zap.Logger {
	format := zap.NewProductionEncoderConfig()
	format.TimeKey, format.EncodeTime, format.EncodeDuration = "time", zapcore.RFC3339NanoTimeEncoder, zapcore.StringDurationEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(format), zapcore.Lock(zapcore.AddSync(w)), zap.InfoLevel))
}

// callerKey gives each caller budgets and notes of its own.
func callerKey(ctx context.Context) string {
	who, _ := auth.PrincipalFrom(ctx)
	return who.Key()
}
