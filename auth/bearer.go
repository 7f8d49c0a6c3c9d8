package auth

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// credentials are the headers that never go further than the guard. An MCP
// handler has no use for a cookie, and a browser's may be worth as much as a
// token.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie"}

// bearerToken returns the one bearer token of r, in the Authorization header
// (RFC 6750, section 2.1). sent reports whether the caller sent credentials of
// any kind. A token in the query is refused even beside a good header: URLs
// are logged, so it is known to others by now.
func bearerToken(r *http.Request, maxBytes int) (token string, sent bool, err error) {
	values := r.Header["Authorization"]
	switch {
	case tokenInQuery(r.URL):
		return "", true, invalidError("in the query")
	case len(values) == 0:
		return "", false, invalidError("none was sent")
	case len(values) > 1:
		return "", true, invalidError("more than one Authorization header")
	}
	token, ok := parseBearer(values[0])
	switch {
	case !ok:
		return "", true, invalidError("not of scheme Bearer")
	case len(token) > maxBytes:
		return "", true, invalidError("too long")
	}
	return token, true, nil
}

// parseBearer takes the token out of "Bearer" and a b64token; the scheme is in
// any case, with one or more blanks behind it.
func parseBearer(value string) (token string, ok bool) {
	const scheme = "bearer"
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", false
	}
	rest := value[len(scheme):]
	token = strings.TrimLeft(rest, " ")
	return token, len(token) < len(rest) && isB64Token(token)
}

// isB64Token is the grammar of RFC 6750, section 2.1.
func isB64Token(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !b64Letters[body[i]] {
			return false
		}
	}
	return body != ""
}

var b64Letters = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		set[c] = true
	}
	return set
}()

func tokenInQuery(u *url.URL) bool {
	return u != nil && u.RawQuery != "" && u.Query().Has("access_token")
}

// withoutCredentials returns a copy of h that holds none. The values of other
// headers are shared with h.
func withoutCredentials(h http.Header) http.Header {
	clean := maps.Clone(h)
	for _, name := range credentials {
		delete(clean, name)
	}
	return clean
}
