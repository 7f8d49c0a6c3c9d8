package auth

import (
	"context"
	"maps"
	"slices"
	"strconv"

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

// Local is the principal of a process that talks to its parent over stdio.
func Local() *Principal { return &Principal{Issuer: "local", Subject: "local"} }

// FromTokenInfo returns the principal of a verified token, or nil without one.
// The subject is UserID; the issuer is the "iss" entry of Extra, if it is there.
func FromTokenInfo(ti *sdkauth.TokenInfo) *Principal {
	if ti == nil {
		return nil
	}
	p := &Principal{Subject: ti.UserID, Scopes: slices.Clone(ti.Scopes), Claims: maps.Clone(ti.Extra)}
	p.Issuer, _ = ti.Extra["iss"].(string)
	return p
}

type principalKey struct{}

// WithPrincipal returns a context whose caller is p; nil means anonymous.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the caller; ok is false for anonymous calls.
func PrincipalFrom(ctx context.Context) (p *Principal, ok bool) {
	p, _ = ctx.Value(principalKey{}).(*Principal)
	return p, p != nil
}
