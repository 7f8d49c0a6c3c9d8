package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

func TestPolicy_StatsCountCallsThatWereNotLetThrough(t *testing.T) {
	p, err := auth.NewPolicy(auth.PolicySpec{
		Anonymous: []string{"execute:tools:open"},
		Scopes:    map[string][]string{"use.it": {"execute:tools:locked"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := auth.Authorize(auth.AuthorizeOptions{Policy: p})(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return &mcp.CallToolResult{}, nil
	})
	ctx := auth.WithTokenInfo(t.Context(), &sdkauth.TokenInfo{UserID: "ann"})
	for _, name := range []string{"secret", "secret", "locked"} {
		_, _ = h(ctx, "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: name}})
	}
	_, _ = h(t.Context(), "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "open"}})
	if got, want := p.Stats(), (auth.PolicyStats{Denied: 2, NeedScopes: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var none *auth.Policy
	h = auth.Authorize(auth.AuthorizeOptions{})(h)
	_, err = h(ctx, "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "open"}})
	if err == nil || none.Stats() != (auth.PolicyStats{}) {
		t.Errorf("without a policy: %v", err)
	}
}

func TestGuard_StatsCountRequestsThatWereNotLetThrough(t *testing.T) {
	answers := map[string]error{
		"forged": sdkauth.ErrInvalidToken,
		"less":   mcperrors.Errorf(mcperrors.Authorization, "not enough"),
		"down":   mcperrors.Errorf(mcperrors.Unavailable, "the issuer is down"),
		"fast":   mcperrors.Errorf(mcperrors.RateLimited, "too often"),
	}
	g, err := auth.NewGuard(auth.Options{Verify: func(_ context.Context, token string, _ *http.Request) (*sdkauth.TokenInfo, error) {
		return &sdkauth.TokenInfo{UserID: "ann"}, answers[token]
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, token := range []string{"", "forged", "less", "down", "fast", "good"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if got, want := g.Stats(), (auth.GuardStats{Unauthenticated: 2, Forbidden: 1, Failed: 1, Other: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
