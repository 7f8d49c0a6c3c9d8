// Package challenge writes the headers by which a refused caller learns what to
// do: WWW-Authenticate and Retry-After.
package challenge

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter says in whole seconds when to come back, not earlier than asked for.
// Zero is unknown.
func RetryAfter(h http.Header, after time.Duration) {
	if after > 0 {
		seconds := (after-1)/time.Second + 1
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
}

// Header sets WWW-Authenticate for an answer of status, as RFC 6750, section 3
// and RFC 9728, section 5.1 have it:
//
//   - 401 asks for a token; the error invalid_token is only for a caller that
//     sent credentials;
//   - 403 names the scopes that would help, all at once. Without scopes a new
//     token would not help, so there is no challenge;
//   - any other status has none.
//
// A challenge that has nothing to say names a realm: one without any parameter
// is against RFC 6750. Scopes and a URL that do not fit into a quoted string as
// they are, are left out; the empty resourceMetadata too.
func Header(w http.Header, status int, hasCredentials bool, scopes []string, resourceMetadata string) {
	c := builder{}
	scopes = tokens(scopes)
	switch {
	case status == http.StatusUnauthorized && hasCredentials:
		c.add("error", "invalid_token")
	case status == http.StatusUnauthorized:
	case status == http.StatusForbidden && len(scopes) > 0:
		c.add("error", "insufficient_scope")
	default:
		return
	}
	if scope := strings.Join(scopes, " "); len(scope) <= maxScope {
		c.add("scope", scope)
	}
	c.add("resource_metadata", resourceMetadata)
	if c.Len() == 0 {
		c.add("realm", "mcp")
	}
	w.Set("WWW-Authenticate", "Bearer"+c.String())
}

// maxScope bounds the scope parameter, in bytes: clients bound the headers that
// they read, and a part of the scopes would lead nowhere.
const maxScope = 4 << 10

// ValidScope reports whether s is a scope-token of RFC 6749, section 3.3.
func ValidScope(s string) bool { return s != "" && !strings.Contains(s, " ") && quotable(s) }

func tokens(scopes []string) []string {
	valid := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if ValidScope(s) {
			valid = append(valid, s)
		}
	}
	return valid
}

// quotable reports whether s is printable ASCII that needs no escaping.
func quotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// A builder collects the parameters of one challenge.
type builder struct{ strings.Builder }

func (b *builder) add(name, value string) {
	if value == "" || !quotable(value) {
		return
	}
	if b.Len() > 0 {
		_ = b.WriteByte(',')
	}
	_, _ = b.WriteString(" " + name + `="` + value + `"`)
}
