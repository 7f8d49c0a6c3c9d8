package auth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/trestle-mcp/trestle/auth"
)

func TestMetadata_IsWhereRFC9728Says(t *testing.T) {
	const root = "/.well-known/oauth-protected-resource"
	for resource, want := range map[string]struct {
		url   string
		paths []string
	}{
		"https://a.example":          {"https://a.example" + root, []string{root}},
		"https://a.example/":         {"https://a.example" + root, []string{root}},
		"https://a.example:8443/mcp": {"https://a.example:8443" + root + "/mcp", []string{root + "/mcp", root}},
		"https://a.example/a/b/":     {"https://a.example" + root + "/a/b/", []string{root + "/a/b/", root}},
		"https://a.example/mcp?x=y":  {"https://a.example" + root + "/mcp?x=y", []string{root + "/mcp", root}},
		"http://127.0.0.1:8080/mcp":  {"http://127.0.0.1:8080" + root + "/mcp", []string{root + "/mcp", root}},
	} {
		g, _ := newGuard(t, auth.Options{Verify: knows(ann), Metadata: &auth.Metadata{
			Resource: resource, AuthorizationServers: []string{"https://issuer.example"},
		}})
		if g.MetadataURL() != want.url || !slices.Equal(g.MetadataPaths(), want.paths) {
			t.Errorf("%s: %s %s", resource, g.MetadataURL(), g.MetadataPaths())
		}
	}
}

func TestMetadata_AnswersEverybodyTheSame(t *testing.T) {
	g, _ := newGuard(t, auth.Options{Verify: knows(ann), Metadata: &auth.Metadata{
		Resource: resource, AuthorizationServers: []string{"https://issuer.example"}, ScopesSupported: []string{"read"},
	}})
	ask := func(method string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", http.NoBody)
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example") // THREATS 16
		w := httptest.NewRecorder()
		g.Metadata().ServeHTTP(w, r)
		return w
	}
	w := ask(http.MethodGet)
	var got auth.Metadata
	must(t, json.Unmarshal(w.Body.Bytes(), &got))
	if w.Code != 200 || got.Resource != resource || !slices.Equal(got.BearerMethodsSupported, []string{"header"}) ||
		!slices.Equal(got.ScopesSupported, []string{"read"}) || strings.Contains(w.Body.String(), "evil") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v", w.Header())
	}
	if w := ask(http.MethodHead); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodOptions); w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Methods") != "GET" {
		t.Errorf("OPTIONS: %d %v", w.Code, w.Header())
	}
	if w := ask(http.MethodPost); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestMetadata_IsReadByGoSDKsClient(t *testing.T) {
	mux := http.NewServeMux()
	web := httptest.NewServer(mux)
	defer web.Close()
	g, _ := newGuard(t, auth.Options{Verify: knows(ann), Metadata: &auth.Metadata{
		Resource: web.URL + "/mcp", AuthorizationServers: []string{"https://issuer.example"},
	}})
	for _, path := range g.MetadataPaths() {
		mux.Handle(path, g.Metadata())
	}
	m, err := oauthex.GetProtectedResourceMetadata(t.Context(), g.MetadataURL(), web.URL+"/mcp", web.Client())
	if err != nil || m.Resource != web.URL+"/mcp" {
		t.Errorf("got %+v, %v", m, err)
	}
	w, _ := send(g, request())
	challenges, err := oauthex.ParseWWWAuthenticate(w.Header()["Www-Authenticate"])
	if err != nil || len(challenges) != 1 || challenges[0].Params["resource_metadata"] != g.MetadataURL() {
		t.Errorf("its parser reads %+v, %v", challenges, err)
	}
}

func TestGuard_WithoutMetadataServesNone(t *testing.T) {
	g, err := auth.NewGuard(auth.Options{Verify: knows(ann)})
	must(t, err)
	w := httptest.NewRecorder()
	g.Metadata().ServeHTTP(w, request())
	if w.Code != http.StatusNotFound || g.MetadataURL() != "" || g.MetadataPaths() != nil {
		t.Errorf("%d %q %v", w.Code, g.MetadataURL(), g.MetadataPaths())
	}
}
