package transport

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/challenge"
)

// A challenger tells refused clients which token would serve.
type challenger struct {
	metadata string // URL of the protected resource metadata, or ""
}

// challenge adds to the header of an answer what err owes the client. What wraps
// the handler may have said more.
func (c challenger) challenge(answer, request http.Header, status int, err error) {
	if (status == http.StatusUnauthorized || status == http.StatusForbidden) && len(answer["Www-Authenticate"]) == 0 {
		challenge.Header(answer, status, len(request["Authorization"]) > 0, mcperrors.From(err).Data().Scopes, c.metadata)
	}
}

// setRetryAfter is for answers whose status says that they are refusals.
func setRetryAfter(h http.Header, status int, after time.Duration) {
	if status >= http.StatusBadRequest {
		challenge.RetryAfter(h, after)
	}
}

// checkMetadataURL refuses what no challenge should name: clients trust what they
// find there, so it comes over TLS, but for a server on this machine.
func checkMetadataURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsFunc(s, isUnsafe) ||
		(u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname()))) {
		return fmt.Errorf("transport: resource metadata %q is not an absolute https URL, or http on loopback", s)
	}
	return nil
}

// isUnsafe reports whether a URL has to be written without r.
func isUnsafe(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }
