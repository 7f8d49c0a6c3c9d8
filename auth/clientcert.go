package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
)

// SPIFFE is the principal of a certificate that has exactly one URI name, a
// SPIFFE id such as spiffe://example.org/billing: its issuer is the trust
// domain, spiffe://example.org, and its subject the whole id. Other certificates
// are refused.
func SPIFFE(leaf *x509.Certificate) (*Principal, error) {
	if len(leaf.URIs) != 1 {
		return nil, invalidError("the certificate has not exactly one URI name")
	}
	id := leaf.URIs[0]
	plain := id.User == nil && id.Port() == "" && id.RawQuery == "" && id.Fragment == ""
	if id.Scheme != "spiffe" || id.Hostname() == "" || len(id.Path) < len("/x") || !plain {
		return nil, invalidError("the URI name of the certificate is no SPIFFE id")
	}
	return &Principal{Issuer: "spiffe://" + id.Host, Subject: id.String()}, nil
}

func hasCertificate(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && len(r.TLS.VerifiedChains[0]) > 0
}

// fromCertificate names the caller by its certificate. That was verified when
// the connection was made, which may be long ago: the end of its validity is
// that of the answer, which the guard looks at for each request.
func fromCertificate(r *http.Request, name func(*x509.Certificate) (*Principal, error)) (_ *sdkauth.TokenInfo, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("auth: Options.Certificate panicked: %v", p)
		}
	}()
	leaf := r.TLS.VerifiedChains[0][0]
	p, err := name(leaf)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", invalidError("the certificate names nobody"), err)
	case p == nil:
		return nil, errNoAnswer
	}
	return p.TokenInfo(leaf.NotAfter), nil
}

// A binding is the thumbprint of the certificate that a token may be used with
// (RFC 8705, section 3); empty for a token that anybody may bear.
type binding string

var errBinding = errors.New("the token is bound to a key that is not proven here")

// bindingOf reads the claim cnf. A binding of another kind, such as DPoP's,
// cannot be checked, and is not ignored: the token would be worth more to a
// thief than its issuer meant.
func bindingOf(claims map[string]any) (binding, error) {
	v, bound := claims["cnf"]
	if !bound {
		return "", nil
	}
	cnf, _ := v.(map[string]any)
	thumb, ok := cnf["x5t#S256"].(string)
	if !ok || thumb == "" || len(cnf) != 1 {
		return "", errBinding
	}
	return binding(thumb), nil
}

// check reports whether r came with the certificate that b asks for.
func (b binding) check(r *http.Request) bool {
	if b == "" {
		return true
	}
	if r == nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	thumb := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(thumb), []byte(b)) == 1
}
