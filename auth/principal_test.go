package auth_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
)

func TestPrincipal_KeysAreUniquePerIssuerAndSubject(t *testing.T) {
	var none *auth.Principal
	seen := map[string]string{none.Key(): "nil"}
	if none.Key() != "" || new(auth.Principal).Key() != "" {
		t.Error("an anonymous caller has a key")
	}
	for _, p := range []auth.Principal{
		{Issuer: "a", Subject: "b"},
		{Issuer: "ab"},
		{Subject: "ab"},
		{Issuer: `a"`, Subject: "b"},
		{Issuer: "a", Subject: `"b`},
		{Issuer: `a""b`},
		{Issuer: "a", Subject: "b\x00"},
	} {
		if other, ok := seen[p.Key()]; ok {
			t.Errorf("%+v has the key of %s", p, other)
		}
		seen[p.Key()] = fmt.Sprintf("%+v", p)
	}
}

func TestFromTokenInfo_TakesWhatTheTokenSays(t *testing.T) {
	if auth.FromTokenInfo(nil) != nil {
		t.Error("a principal without a token")
	}
	ti := &sdkauth.TokenInfo{UserID: "ann", Scopes: []string{"read"}, Extra: map[string]any{"iss": "https://i", "k": "v"}}
	p := auth.FromTokenInfo(ti)
	ti.Scopes[0], ti.Extra["k"] = "changed", "changed"
	if p.Subject != "ann" || p.Issuer != "https://i" || p.Scopes[0] != "read" || p.Claims["k"] != "v" {
		t.Errorf("got %+v", p)
	}
}

func TestTokenInfo_GivesThePrincipalBack(t *testing.T) {
	for _, p := range []auth.Principal{
		{Issuer: "https://i", Subject: "ann", Roles: []string{"ops"}, Scopes: []string{"read"}, Tenant: "t", Claims: map[string]any{"k": "v"}},
		{Subject: "ann", Claims: map[string]any{"iss": "claimed", "roles": []any{"claimed"}, "tenant": "claimed"}},
	} {
		got := auth.FromTokenInfo(p.TokenInfo(time.Time{}))
		if got.Key() != p.Key() || got.Tenant != p.Tenant || !slices.Equal(got.Roles, p.Roles) || !slices.Equal(got.Scopes, p.Scopes) {
			t.Errorf("got %+v of %+v", got, p)
		}
	}
	if nobody := (*auth.Principal)(nil); nobody.HasRole("ops") || nobody.HasScope("read") {
		t.Error("nobody has a role")
	}
}

func TestWithTokenInfo_TheCallerIsWhomTheInfoNames(t *testing.T) {
	ann, bob := &sdkauth.TokenInfo{UserID: "ann"}, &sdkauth.TokenInfo{UserID: "bob"}
	ctx := auth.WithTokenInfo(t.Context(), ann)
	if auth.WithTokenInfo(ctx, ann) != ctx {
		t.Error("the same principal was made twice")
	}
	if p, _ := auth.PrincipalFrom(auth.WithTokenInfo(ctx, bob)); p == nil || p.Subject != "bob" {
		t.Errorf("got %+v", p)
	}
	if p, ok := auth.PrincipalFrom(auth.WithTokenInfo(ctx, nil)); ok {
		t.Errorf("without a token, got %+v", p)
	}
}

func TestPrincipalFrom_NilMeansAnonymous(t *testing.T) {
	if _, ok := auth.PrincipalFrom(t.Context()); ok {
		t.Error("a principal from nowhere")
	}
	known := auth.WithPrincipal(t.Context(), auth.Local())
	if _, ok := auth.PrincipalFrom(auth.WithPrincipal(known, nil)); ok {
		t.Error("nil did not make the caller anonymous")
	}
}

func ExamplePrincipalFrom() {
	ctx := auth.WithPrincipal(context.Background(), &auth.Principal{Issuer: "https://issuer.example", Subject: "ann"})
	if p, ok := auth.PrincipalFrom(ctx); ok {
		fmt.Println(p.Subject)
	}
	// Output: ann
}
