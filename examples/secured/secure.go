package main

import (
	"context"
	_ "embed" // the policy
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/secret"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

//go:embed policy.yaml
var builtIn []byte

// security is who may call, and do what.
type security struct {
	url    string   // that clients reach the server at
	hosts  []string // that it is called by; nil: this machine's addresses
	guard  *auth.Guard
	policy *auth.Policy
	stores *stores
	keys   []secret.Secret // that the replicas share; nil: a random one
}

// secure does what the flags say. trusted is the issuer.
func (c *config) secure(ctx context.Context, trusted string, events *slog.Logger) (s *security, err error) {
	s = &security{url: c.audience}
	if s.url == "" {
		if host, port, err := net.SplitHostPort(c.addr); err != nil || host == "" || port == "0" {
			return nil, errors.New("-addr is not a host and a port that clients reach: say with -audience what is, or use 127.0.0.1:8080")
		}
		s.url = "http://" + c.addr + "/mcp"
	} else { // maybe a proxy's, whose name the server cannot know by itself
		at, err := url.Parse(s.url)
		if err != nil || at.Hostname() == "" {
			return nil, errors.New("-audience is not a URL")
		}
		s.hosts = []string{at.Hostname()}
	}
	if s.guard, err = c.newGuard(ctx, trusted, s.url, events); err != nil {
		return nil, err
	}
	if s.policy, err = c.openPolicy(events); err != nil {
		return nil, err
	}
	if s.stores, err = c.openStores(events); err != nil {
		_ = s.policy.Close() // it returns nil
		return nil, err
	}
	if !c.stateKey.IsZero() {
		s.keys = []secret.Secret{c.stateKey}
	}
	return s, nil
}

func (c *config) newGuard(ctx context.Context, trusted, resource string, events *slog.Logger) (*auth.Guard, error) {
	tokens, err := auth.NewJWT(auth.JWTOptions{
		Issuer: trusted, KeySetURL: c.jwks, Audiences: []string{resource}, RolesClaim: c.rolesClaim, Logger: events,
	})
	if err != nil {
		return nil, err
	}
	guard, err := auth.NewGuard(auth.Options{
		Verify:   tokens.Verify,
		Metadata: &auth.Metadata{Resource: resource, AuthorizationServers: []string{trusted}, ScopesSupported: []string{purgeScope}},
		Logger:   events,
	})
	if err != nil {
		return nil, fmt.Errorf("%w; -audience says at which URL clients reach this server", err)
	}
	_ = tokens.Warm(ctx) // tells events what failed; an issuer that is down now may be up soon, and until then tokens get 503
	return guard, nil
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

func (s *security) close() {
	_ = s.policy.Close() // it returns nil
	s.stores.close()
}

func (s *security) options(addr string, log *zap.Logger) *server.Options {
	return &server.Options{
		Title:            "Notes",
		Addr:             addr,
		HTTP:             transport.Options{AllowedHosts: s.hosts, SessionStore: s.stores.kept},
		Auth:             s.guard,
		Policy:           s.policy,
		Logger:           log,
		Audit:            server.AuditLog(log), // what was allowed and denied, and why
		RateLimits:       s.stores.limits,
		RateLimitHeaders: true,
		StateKeys:        s.keys,
		StripHidden:      true, // what a note hides, its reader would not see
	}
}

// newLog drops nothing under load, as zap's own for production would: an audit
// that has gaps is none.
func newLog(w io.Writer) *zap.Logger {
	return zap.New(zapcore.NewCore(middleware.NewLogEncoder(), zapcore.Lock(zapcore.AddSync(w)), zap.InfoLevel))
}
