package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/trestle-mcp/trestle/auth"
)

// secure says who may call, and do what.
func (a *assembly) secure(ctx context.Context) error {
	if a.noAuth {
		return nil // on loopback: see config.check
	}
	guard, err := a.newGuard(ctx)
	if err != nil {
		return err
	}
	policy, err := a.openPolicy()
	if err != nil {
		return err
	}
	a.closes("policy", func(context.Context) error { return policy.Close() })
	a.opts.Auth, a.opts.Policy = guard, policy
	if a.Auth.Audience != "" { // maybe a proxy's, whose name the server cannot know by itself
		at, err := url.Parse(a.Auth.Audience)
		if err != nil || at.Hostname() == "" {
			return fmt.Errorf("auth.audience: %q is not a URL", a.Auth.Audience)
		}
		a.opts.HTTP.AllowedHosts = []string{at.Hostname()}
	}
	return nil
}

func (a *assembly) newGuard(ctx context.Context) (*auth.Guard, error) {
	var verifiers []auth.Verifier
	o := auth.Options{Logger: a.slog}
	if a.Auth.Issuer != "" {
		tokens, err := auth.NewJWT(auth.JWTOptions{
			Issuer: a.Auth.Issuer, KeySetURL: a.Auth.JWKS, Audiences: []string{a.url()}, RolesClaim: a.Auth.RolesClaim, Logger: a.slog,
		})
		if err != nil {
			return nil, err
		}
		_ = tokens.Warm(ctx) // an issuer that is down now may be up soon, and until then tokens get 503
		verifiers = append(verifiers, tokens.Verify)
		o.Metadata = &auth.Metadata{Resource: a.url(), AuthorizationServers: []string{a.Auth.Issuer}}
	}
	if a.Auth.APIKeys != "" {
		find, err := auth.ReadAPIKeyFile(a.Auth.APIKeys)
		if err != nil {
			return nil, fmt.Errorf("auth.api_keys: %w", err)
		}
		verifiers = append(verifiers, auth.APIKeys(find))
	}
	o.Verify = auth.AnyOf(verifiers...)
	return auth.NewGuard(o)
}

// openPolicy follows a file, or takes the policy that is built in.
func (a *assembly) openPolicy() (*auth.Policy, error) {
	if a.Policy != "" {
		return auth.OpenPolicy(a.Policy, auth.PolicyFileOptions{Logger: a.slog})
	}
	spec, err := auth.ParsePolicy(defaultPolicy)
	if err != nil {
		return nil, err
	}
	return auth.NewPolicy(spec)
}

// callerKey gives each caller budgets of its own.
func callerKey(ctx context.Context) string {
	who, _ := auth.PrincipalFrom(ctx)
	return who.Key()
}
