package auth

import (
	"context"
	"slices"
	"strconv"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
)

// A Principal is the caller of a request, as it was authenticated.
// It is not changed after it was made; share it freely.
type Principal struct {
	Issuer  string // who vouches for Subject, such as a token's iss
	Subject string // the caller, unique within Issuer
	Roles   []string
	Scopes  []string
	Tenant  string
	Claims  map[string]any // what else the authentication said
}

// Key names the principal in limits, sessions, caches and audit: issuer and
// subject, quoted so that no two pairs have the same key. The zero Principal,
// which stands for anonymous callers, has the key "".
func (p *Principal) Key() string {
	if p == nil || (p.Issuer == "" && p.Subject == "") {
		return ""
	}
	return strconv.Quote(p.Issuer) + strconv.Quote(p.Subject)
}

// HasRole reports whether role is one of p's; nobody has any role without p.
func (p *Principal) HasRole(role string) bool { return p != nil && slices.Contains(p.Roles, role) }

// HasScope reports whether scope is one of p's.
func (p *Principal) HasScope(scope string) bool { return p != nil && slices.Contains(p.Scopes, scope) }

// Local is the principal of a process that talks to its parent over stdio.
func Local() *Principal { return &Principal{Issuer: localName, Subject: localName} }

const localName = "local"

// Where the Extra of a go-sdk TokenInfo holds what the SDK has no field for.
const (
	extraIssuer = "iss"
	extraRoles  = "roles"
	extraTenant = "tenant"
)

// FromTokenInfo returns the principal of a verified token, or nil without one.
// The subject is UserID; issuer, roles and tenant are the entries "iss",
// "roles" (strings) and "tenant" of Extra, where they are there; the claims are
// all of Extra. Nothing in the principal is shared with ti, as far as Extra
// holds what JSON can.
func FromTokenInfo(ti *sdkauth.TokenInfo) *Principal {
	if ti == nil {
		return nil
	}
	p := &Principal{
		Subject: ti.UserID,
		Scopes:  slices.Clone(ti.Scopes),
		Roles:   stringList(ti.Extra[extraRoles]),
		Claims:  cloneClaims(ti.Extra),
	}
	p.Issuer, _ = ti.Extra[extraIssuer].(string)
	p.Tenant, _ = ti.Extra[extraTenant].(string)
	return p
}

// TokenInfo returns p as what a [Verifier] answers, so that [FromTokenInfo]
// finds p again: Extra holds the claims, and under "iss", "roles" and "tenant"
// p's own, which replace claims of these names. A zero expires means never.
func (p *Principal) TokenInfo(expires time.Time) *sdkauth.TokenInfo {
	extra := cloneClaims(p.Claims)
	if extra == nil {
		extra = make(map[string]any, 3)
	}
	set := func(name string, value any, known bool) {
		if known {
			extra[name] = value
		} else {
			delete(extra, name)
		}
	}
	set(extraIssuer, p.Issuer, p.Issuer != "")
	set(extraRoles, slices.Clone(p.Roles), len(p.Roles) > 0)
	set(extraTenant, p.Tenant, p.Tenant != "")
	return &sdkauth.TokenInfo{UserID: p.Subject, Scopes: slices.Clone(p.Scopes), Expiration: expires, Extra: extra}
}

type principalKey struct{}

// A caller is what a context knows of it.
type caller struct {
	principal *Principal
	info      *sdkauth.TokenInfo // what principal was made from, or nil
}

// WithPrincipal returns a context whose caller is p; nil means anonymous.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return withCaller(ctx, caller{principal: p})
}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, principalKey{}, c)
}

// WithTokenInfo returns a context whose caller is the principal of ti, as
// [FromTokenInfo] has it; nil means anonymous. It is ctx itself where the caller
// was made of this very ti already, as by a [Guard].
func WithTokenInfo(ctx context.Context, ti *sdkauth.TokenInfo) context.Context {
	if c, ok := ctx.Value(principalKey{}).(caller); ok && ti != nil && c.info == ti {
		return ctx
	}
	return withCaller(ctx, caller{FromTokenInfo(ti), ti})
}

// PrincipalFrom returns the caller; ok is false for anonymous calls.
func PrincipalFrom(ctx context.Context) (p *Principal, ok bool) {
	c, _ := ctx.Value(principalKey{}).(caller)
	return c.principal, c.principal != nil
}
