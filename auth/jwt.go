package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
)

// Defaults of [JWTOptions].
const (
	DefaultKeyRefresh = 15 * time.Minute
	DefaultRemember   = 10_000
)

// JWTOptions say which tokens a [JWT] accepts. Issuer and Audiences must be set.
type JWTOptions struct {
	// Issuer is what iss must be, to the letter: an issuer that ends with a
	// slash is another than one that does not.
	Issuer string
	// Audiences are names of this server. A token's aud must be, or hold, one
	// of them, to the letter. MCP asks for the URL of the server.
	Audiences []string
	// KeySetURL is the issuer's JWKS (RFC 7517). Empty means it is discovered
	// from Issuer, by OpenID Connect or RFC 8414.
	KeySetURL string
	// Algorithms are accepted. Empty means RS256, RS384, RS512, PS256, PS384,
	// PS512, ES256, ES384, ES512 and EdDSA, which are also all there are.
	Algorithms []string
	// Types are accepted in the header typ, in any case, with "application/"
	// or without; "" is a token without typ. Empty means "at+jwt", "JWT" and
	// ""; an issuer that follows RFC 9068 needs only "at+jwt".
	Types []string
	// Skew is how far clocks may differ, in exp, nbf and iat.
	// Zero means 30 seconds, which is also the most; negative means not at all.
	Skew time.Duration
	// RolesClaim and TenantClaim name the claims that roles and tenant come
	// from. A name that starts with "/" is a JSON pointer, such as
	// "/realm_access/roles". Empty means "roles", and no tenant.
	RolesClaim, TenantClaim string
	// Remember is how many verified tokens are known again, by their SHA-256,
	// until they expire or a key is withdrawn.
	// Zero means 10,000; negative means none.
	Remember int
	// KeyRefresh is how old keys may be before new ones are fetched in the
	// background. Zero or negative means 15 minutes; at least 1 minute.
	KeyRefresh time.Duration
	// Client fetches keys. It is copied: the copy follows no redirects, keeps no
	// cookies and takes at most 10 seconds. Nil means a client of its own.
	Client *http.Client
	// Logger gets a warning when keys cannot be fetched. Nil means no log.
	Logger *slog.Logger
}

// A JWT verifies signed tokens (RFC 7519) of one issuer; for more issuers, use
// [AnyOf]. Keys are fetched when the first token comes, by [JWT.Warm] or by
// both. It is safe for concurrent use and needs no closing.
type JWT struct {
	rules claimRules
	algs  []jose.SignatureAlgorithm
	types []string
	keys  *keyring
	seen  *memory[*verified]
}

// verified is a token that was verified. It is not changed.
type verified struct {
	info    *sdkauth.TokenInfo
	binding binding
}

// asymmetric are the algorithms there are. With a published key, HMAC would let
// anybody sign, and "none" needs no comment.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// NewJWT returns a verifier, or every mistake in o. It fetches nothing.
func NewJWT(o JWTOptions) (*JWT, error) {
	o = o.withDefaults()
	algs, err := o.check()
	if err != nil {
		return nil, err
	}
	j := &JWT{algs: algs, types: o.Types, seen: newMemory[*verified](o.Remember)}
	j.rules = claimRules{
		issuer: o.Issuer, audiences: slices.Clone(o.Audiences), skew: max(o.Skew, 0),
		rolesClaim: o.RolesClaim, tenantClaim: o.TenantClaim,
	}
	client := boundedClient(o.Client)
	load := func(ctx context.Context) (*keySet, error) {
		at := o.KeySetURL
		if at == "" {
			var err error
			if at, err = discover(ctx, client, o.Issuer); err != nil {
				return nil, err
			}
		}
		body, err := get(ctx, client, at)
		if err != nil {
			return nil, fmt.Errorf("key set: %w", err)
		}
		return parseKeySet(body)
	}
	j.keys = newKeyring(load, o.KeyRefresh, j.seen.forget, loggerOr(o.Logger))
	return j, nil
}

func (o JWTOptions) withDefaults() JWTOptions {
	if o.Skew == 0 {
		o.Skew = DefaultSkew
	}
	if o.RolesClaim == "" {
		o.RolesClaim = extraRoles
	}
	if o.Remember == 0 {
		o.Remember = DefaultRemember
	}
	if o.KeyRefresh <= 0 {
		o.KeyRefresh = DefaultKeyRefresh
	}
	if len(o.Types) == 0 {
		o.Types = []string{"at+jwt", "jwt", ""}
	}
	types := make([]string, len(o.Types))
	for i, t := range o.Types {
		types[i] = mediaType(t)
	}
	o.Types = types
	return o
}

// check returns the algorithms, or every mistake.
func (o *JWTOptions) check() ([]jose.SignatureAlgorithm, error) {
	var mistakes []error
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("auth: JWTOptions."+format, args...))
	}
	if _, err := checkURL(o.Issuer); err != nil {
		mistake("Issuer: %w", err)
	}
	if o.KeySetURL != "" {
		if _, err := checkURL(o.KeySetURL); err != nil {
			mistake("KeySetURL: %w", err)
		}
	}
	if len(o.Audiences) == 0 || slices.Contains(o.Audiences, "") {
		mistake("Audiences: want at least one, none empty: a token for another server is none for this one")
	}
	if o.Skew > DefaultSkew {
		mistake("Skew: %v is more than %v", o.Skew, DefaultSkew)
	}
	if o.KeyRefresh < time.Minute {
		mistake("KeyRefresh: %v is less than a minute", o.KeyRefresh)
	}
	algs := slices.Clone(asymmetric)
	if len(o.Algorithms) > 0 {
		algs = algs[:0]
	}
	for _, name := range o.Algorithms {
		if !slices.Contains(asymmetric, jose.SignatureAlgorithm(name)) {
			mistake("Algorithms: %q is not one of %v", name, asymmetric)
		}
		algs = append(algs, jose.SignatureAlgorithm(name))
	}
	return algs, errors.Join(mistakes...)
}

// Warm fetches the keys if there are none yet, so that a wrong address shows
// when the program starts and the first caller need not wait. The error is of
// code unavailable; the verifier works all the same once keys can be had.
func (j *JWT) Warm(ctx context.Context) error {
	_, err := j.keys.warm(ctx)
	return err
}

// Verify is a [Verifier]. The subject of the principal is sub, its scopes are
// those in scope or scp.
//
// A token that is bound to a client certificate (RFC 8705) counts only on a
// request with that certificate; one that is bound in another way does not.
func (j *JWT) Verify(ctx context.Context, token string, r *http.Request) (*sdkauth.TokenInfo, error) {
	key, now := digestOf(token), time.Now()
	v, known := j.seen.get(key)
	if known && j.rules.expired(v.info.Expiration, now) {
		j.seen.drop(key)
		return nil, errExpired
	}
	if known {
		j.keys.touch()
	} else {
		epoch := j.seen.begin()
		var err error
		if v, err = j.verify(ctx, token, now); err != nil {
			return nil, err
		}
		j.seen.put(key, v, epoch)
	}
	if !v.binding.check(r) {
		return nil, invalidError("bound to a certificate that did not come with it")
	}
	return cloneInfo(v.info), nil
}

// cloneInfo lets one call change its info without another noticing.
func cloneInfo(info *sdkauth.TokenInfo) *sdkauth.TokenInfo {
	clone := *info
	clone.Scopes = slices.Clone(info.Scopes)
	clone.Extra = cloneClaims(info.Extra)
	return &clone
}
