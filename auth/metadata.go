package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/trestle-mcp/trestle/internal/challenge"
)

// Metadata describes a protected resource to clients (RFC 9728). It is go-sdk's
// type; Resource and AuthorizationServers must be set here.
type Metadata = oauthex.ProtectedResourceMetadata

// wellKnown is where RFC 9728, section 3, has the document.
const wellKnown = "/.well-known/oauth-protected-resource"

// A document is metadata, checked and encoded once.
type document struct {
	url   string
	paths []string
	body  []byte
}

// newDocument reports every mistake in m.
func newDocument(m *Metadata) (*document, error) {
	resource, err := checkURL(m.Resource)
	mistakes := []error{wrapMistake("Resource", err)}
	if len(m.AuthorizationServers) == 0 {
		mistakes = append(mistakes, errors.New("auth: Metadata.AuthorizationServers is empty: clients could not get a token"))
	}
	for _, server := range m.AuthorizationServers {
		_, err := checkURL(server)
		mistakes = append(mistakes, wrapMistake("AuthorizationServers", err))
	}
	if err := checkScopes("Metadata.ScopesSupported", m.ScopesSupported); err != nil {
		mistakes = append(mistakes, err)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	full := *m
	if full.BearerMethodsSupported == nil {
		full.BearerMethodsSupported = []string{"header"}
	}
	body, err := json.Marshal(&full)
	if err != nil {
		return nil, fmt.Errorf("auth: Metadata: %w", err)
	}
	// The identifier's path comes behind the well-known one, its query after
	// that. Clients that know no better ask at the root.
	path := wellKnown
	if resource.Path != "/" {
		path += resource.EscapedPath()
	}
	at := url.URL{Scheme: resource.Scheme, Host: resource.Host}
	d := &document{url: at.String() + path, body: body, paths: []string{path, wellKnown}}
	if resource.RawQuery != "" {
		d.url += "?" + resource.RawQuery
	}
	d.paths = slices.Compact(d.paths)
	return d, nil
}

func wrapMistake(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("auth: Metadata.%s: %w", field, err)
}

func checkScopes(field string, scopes []string) error {
	for _, s := range scopes {
		if !challenge.ValidScope(s) {
			return fmt.Errorf("auth: %s: %q is not a scope", field, s)
		}
	}
	return nil
}

// ServeHTTP answers everybody, pages of other origins too: the document is
// public, and is the same whatever the request says.
func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET")
		h.Set("Access-Control-Allow-Headers", "Content-Type, MCP-Protocol-Version")
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodGet, http.MethodHead:
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(d.body)))
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(d.body) // the client may be gone
	}
}
