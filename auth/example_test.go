package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/trestle-mcp/trestle/auth"
)

func Example() {
	// An operator makes a key, hands it out and keeps its hash.
	key, record, err := auth.NewAPIKey("ci", "ci-bot")
	if err != nil {
		panic(err)
	}
	record.Scopes = []string{"notes:read"}
	keys := func(_ context.Context, id string) (*auth.APIKey, error) {
		if id == record.ID {
			return &record, nil
		}
		return nil, nil
	}
	jwt, err := auth.NewJWT(auth.JWTOptions{
		Issuer:    "https://login.example.com",
		Audiences: []string{"https://mcp.example.com/mcp"},
	})
	if err != nil {
		panic(err)
	}

	guard, err := auth.NewGuard(auth.Options{
		Verify: auth.AnyOf(auth.APIKeys(keys), jwt.Verify),
		Scopes: []string{"notes:read"},
		Metadata: &auth.Metadata{
			Resource:             "https://mcp.example.com/mcp",
			AuthorizationServers: []string{"https://login.example.com"},
		},
	})
	if err != nil {
		panic(err)
	}
	handler := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.PrincipalFrom(r.Context())
		fmt.Fprintf(w, "hello %s, %q", p.Subject, r.Header.Get("Authorization"))
	}))

	ask := func(token string) {
		r := httptest.NewRequest(http.MethodPost, "/mcp", http.NoBody)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
		if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" {
			fmt.Println(strings.ReplaceAll(challenge, ", ", "\n  "))
		}
	}
	ask(key)
	ask("")
	// Output:
	// 200 hello ci-bot, ""
	// 401 {"jsonrpc":"2.0","id":null,"error":{"code":401,"message":"a valid access token is required","data":{"type":"unauthenticated"}}}
	// Bearer scope="notes:read"
	//   resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
}

func ExampleNewPolicy() {
	policy, err := auth.NewPolicy(auth.PolicySpec{
		Roles:  map[string][]string{"reader": {"read:resources", "execute:tools:notes.get"}},
		Scopes: map[string][]string{"notes:write": {"execute:tools:notes.*"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := &auth.Principal{Issuer: "https://login.example.com", Subject: "ann", Roles: []string{"reader"}}
	for _, tool := range []string{"notes.get", "notes.put", "purge"} {
		d := policy.Decide(context.Background(), ann, auth.Action{Verb: auth.Execute, Kind: auth.Tools, Name: tool})
		fmt.Println(d.Allowed(), d.Scopes(), d.Explain())
	}
	// Output:
	// true [] allowed: "ann" of "https://login.example.com" wants execute:tools:notes.get: granted as execute:tools:notes.get by role "reader"
	// false [notes:write] denied for lack of scopes, ["notes:write"] would do: "ann" of "https://login.example.com" wants execute:tools:notes.put: nothing grants it
	// false [] denied: "ann" of "https://login.example.com" wants execute:tools:purge: nothing grants it
}
