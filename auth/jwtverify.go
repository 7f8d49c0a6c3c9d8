package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// verify looks at what costs nothing first. What is read before the signature
// was verified only ever serves to refuse.
func (j *JWT) verify(ctx context.Context, token string, now time.Time) (*verified, error) {
	jws, err := jose.ParseSignedCompact(token, j.algs)
	if err != nil {
		return nil, invalidError("not a JWT that is signed with an accepted algorithm")
	}
	header := jws.Signatures[0].Protected
	if err := j.checkHeader(&header); err != nil {
		return nil, err
	}
	claims, err := decodeClaims(jws.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, invalidError("its claims are not one JSON object")
	}
	// Another issuer's token must not make us fetch, or look like an outage.
	if claims["iss"] != j.rules.issuer {
		return nil, invalidError("of another issuer")
	}
	keys, err := j.keys.find(ctx, header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if err != nil {
		return nil, err
	}
	if !signedBy(jws, keys) {
		return nil, invalidError("not signed by the issuer")
	}
	return j.rules.admit(claims, now)
}

// checkHeader refuses what is not an access token. The headers jwk, jku, x5u
// and x5c say where a key could be had, and are never looked at: the issuer's
// keys come from the issuer.
func (j *JWT) checkHeader(h *jose.Header) error {
	if _, critical := h.ExtraHeaders["crit"]; critical {
		return invalidError("it has critical headers") // none is understood here
	}
	typ, ok := h.ExtraHeaders[jose.HeaderType].(string)
	if _, there := h.ExtraHeaders[jose.HeaderType]; there && !ok {
		return invalidError("typ is not a string")
	}
	if !slices.Contains(j.types, mediaType(typ)) {
		return invalidError("of another typ")
	}
	if len(h.KeyID) > maxKeyID {
		return invalidError("kid is too long")
	}
	return nil
}

// mediaType is typ as RFC 7515, section 4.1.9, has it compared.
func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

func signedBy(jws *jose.JSONWebSignature, keys []*jose.JSONWebKey) bool {
	return slices.ContainsFunc(keys, func(key *jose.JSONWebKey) bool {
		_, err := jws.Verify(key.Key)
		return err == nil
	})
}

const errExpired = invalidError("expired")

// claimRules are what a token has to say.
type claimRules struct {
	issuer                  string
	audiences               []string
	skew                    time.Duration
	rolesClaim, tenantClaim string
	anyAudience             bool
	mayNotExpire            bool
}

// admit returns whom claims are about, if they are for here and now. Their iss
// was compared before.
func (c *claimRules) admit(claims map[string]any, now time.Time) (*verified, error) {
	if !c.anyAudience && !c.forUs(claims["aud"]) {
		return nil, invalidError("for another audience")
	}
	expires, err := c.within(claims, now)
	if err != nil {
		return nil, err
	}
	if expires.IsZero() && !c.mayNotExpire {
		return nil, invalidError("without expiry")
	}
	bound, err := bindingOf(claims)
	if err != nil {
		return nil, invalidError(err.Error())
	}
	subject, ok := claims["sub"].(string)
	if !ok || subject == "" {
		return nil, invalidError("without subject")
	}
	p := &Principal{
		Issuer: c.issuer, Subject: subject, Claims: claims,
		Scopes: scopesOf(claims), Roles: stringList(lookUp(claims, c.rolesClaim)),
	}
	if c.tenantClaim != "" {
		p.Tenant, _ = lookUp(claims, c.tenantClaim).(string)
	}
	return &verified{p.TokenInfo(expires), bound}, nil
}

// forUs compares to the letter: the prefix of a URL is another server's.
func (c *claimRules) forUs(aud any) bool {
	return slices.ContainsFunc(stringList(aud), func(a string) bool { return slices.Contains(c.audiences, a) })
}

// within checks exp, nbf and iat, and returns exp, which is zero if there is
// none.
func (c *claimRules) within(claims map[string]any, now time.Time) (expires time.Time, err error) {
	expires, okExp := numericDate(claims, "exp")
	start, okStart := numericDate(claims, "nbf")
	issued, okIssued := numericDate(claims, "iat")
	switch {
	case !okExp || !okStart || !okIssued:
		return time.Time{}, invalidError("its times are not dates")
	case !expires.IsZero() && c.expired(expires, now):
		return time.Time{}, errExpired
	case start.After(now.Add(c.skew)):
		return time.Time{}, invalidError("not yet valid")
	case issued.After(now.Add(c.skew)):
		return time.Time{}, invalidError("issued in the future")
	}
	return expires, nil
}

func (c *claimRules) expired(at, now time.Time) bool { return !now.Before(at.Add(c.skew)) }
