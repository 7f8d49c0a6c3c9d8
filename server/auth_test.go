package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

const appOrigin = "https://app.example.com"

// newGuard knows tokens of the form "of-" and a name.
func newGuard(t *testing.T) *auth.Guard {
	t.Helper()
	g, err := auth.NewGuard(auth.Options{
		Verify: func(_ context.Context, token string, _ *http.Request) (*sdkauth.TokenInfo, error) {
			name, ok := strings.CutPrefix(token, "of-")
			if !ok {
				return nil, sdkauth.ErrInvalidToken
			}
			return &sdkauth.TokenInfo{UserID: name, Extra: map[string]any{"iss": "https://i", "roles": []string{"ops"}}}, nil
		},
		Metadata: &auth.Metadata{
			Resource: "https://mcp.example.com/mcp", AuthorizationServers: []string{"https://i.example.com"},
		},
	})
	mustAdd(t, err)
	return g
}

// bearer sends a token with each request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func TestThreat31_ToolsSeeTheCallerAndNoTokenInBothEras(t *testing.T) {
	srv, logs := newServer(t, server.Options{Auth: newGuard(t)})
	err := srv.AddRawTool(&mcp.Tool{Name: "who", Description: "Say who calls.", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			p, _ := auth.PrincipalFrom(ctx)
			text := p.Key()
			if ti := req.Extra.TokenInfo; ti == nil || ti.UserID != p.Subject || !p.HasRole("ops") {
				text = "go-sdk's info is not the principal's"
			}
			for name, values := range req.Extra.Header {
				if strings.Contains(strings.Join(values, " "), "of-") {
					text = "the token is in " + name
				}
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil
		})
	mustAdd(t, err)
	h, err := srv.Handler()
	mustAdd(t, err)
	web := httptest.NewServer(h)
	defer web.Close()
	defer web.CloseClientConnections()
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		for _, name := range []string{"ann", "bob"} {
			client := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: web.URL, HTTPClient: &http.Client{Transport: bearer("of-" + name)},
			}, &mcp.ClientSessionOptions{ProtocolVersion: version})
			mustAdd(t, err)
			res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "who", Arguments: map[string]any{}})
			mustAdd(t, err)
			if got := res.Content[0].(*mcp.TextContent).Text; got != `"https://i""`+name+`"` {
				t.Errorf("%s: %s", version, got)
			}
			_ = session.Close()
		}
	}
	for _, e := range logs.All() {
		if record, _ := json.Marshal(e.ContextMap()); strings.Contains(e.Message+string(record), "of-ann") {
			t.Errorf("logged: %s %s", e.Message, record)
		}
	}
}

// ask sends one request to a server that runs.
func ask(t *testing.T, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
	mustAdd(t, err)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	mustAdd(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	mustAdd(t, err)
	return res, string(body)
}

func TestThreat17_BeyondLoopbackAuthIsEnoughAndServesItsMetadata(t *testing.T) {
	srv, logs := newServer(t, server.Options{Addr: "0.0.0.0:0", Auth: newGuard(t), HTTP: transport.Options{AllowedOrigins: []string{appOrigin}}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	select {
	case err := <-done:
		t.Fatalf("it did not start: %v", err)
	case <-srv.Ready():
	}
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if logs.FilterMessageSnippet("InsecureNoAuth").Len() > 0 {
		t.Error("it warned")
	}
	_, port, _ := strings.Cut(srv.Addr(), "]:")
	base := "http://127.0.0.1:" + port
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"} {
		if res, body := ask(t, http.MethodGet, base+path, http.Header{}); res.StatusCode != http.StatusOK || !strings.Contains(body, "https://i.example.com") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	res, body := ask(t, http.MethodPost, base+"/mcp", http.Header{"Origin": {appOrigin}})
	challenge := res.Header.Get("WWW-Authenticate")
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(challenge, "https://mcp.example.com/.well-known/oauth-protected-resource/mcp") {
		t.Errorf("%d %s %s", res.StatusCode, challenge, body)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != appOrigin {
		t.Error("a page of an allowed origin cannot read the challenge")
	}
	res, _ = ask(t, http.MethodOptions, base+"/mcp", http.Header{"Origin": {appOrigin}, "Access-Control-Request-Method": {"POST"}})
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("a preflight, which has no token: %d", res.StatusCode)
	}
	res, _ = ask(t, http.MethodPost, base+"/mcp", http.Header{"Origin": {"https://evil.example"}, "Authorization": {"Bearer of-ann"}})
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a token on an evil page: %d", res.StatusCode)
	}
}

func TestNew_RefusesTwoWaysToAuthenticate(t *testing.T) {
	same := func(h http.Handler) http.Handler { return h }
	for _, o := range []server.Options{
		{Auth: newGuard(t), Authenticate: same},
		{Auth: newGuard(t), HTTP: transport.Options{Authenticate: same}},
	} {
		if _, err := server.New("x", "1", &o); err == nil || !strings.Contains(err.Error(), "option Auth") {
			t.Errorf("got %v", err)
		}
	}
}
