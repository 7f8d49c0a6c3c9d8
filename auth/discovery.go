package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// discover asks issuer where its keys are: as OpenID Connect Discovery 1.0 has
// it, or else RFC 8414.
func discover(ctx context.Context, client *http.Client, issuer string) (jwksURL string, err error) {
	var failed []error
	for _, at := range discoveryURLs(issuer) {
		body, err := get(ctx, client, at)
		if err == nil {
			return jwksOf(body, issuer)
		}
		failed = append(failed, err)
		if _, answered := errors.AsType[statusError](err); !answered { // it cannot be reached at all
			break
		}
	}
	return "", fmt.Errorf("discovery: %w", errors.Join(failed...))
}

// jwksOf reads a discovery document. Its issuer must be the one that was asked,
// to the letter, or one issuer could hand out another's keys.
func jwksOf(body []byte, issuer string) (string, error) {
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	if doc.Issuer != issuer {
		return "", errors.New("discovery: the document is of another issuer")
	}
	if _, err := checkURL(doc.JWKSURI); err != nil {
		return "", fmt.Errorf("discovery: jwks_uri: %w", err)
	}
	return doc.JWKSURI, nil
}

// discoveryURLs are where the document may be: OpenID Connect puts the
// well-known part behind the issuer, RFC 8414 between its host and path.
func discoveryURLs(issuer string) []string {
	trimmed := strings.TrimSuffix(issuer, "/")
	urls := []string{trimmed + "/.well-known/openid-configuration"}
	if u, err := url.Parse(trimmed); err == nil {
		path := u.EscapedPath()
		u.Path, u.RawPath, u.RawQuery = "", "", ""
		urls = append(urls, u.String()+"/.well-known/oauth-authorization-server"+path)
	}
	return urls
}
