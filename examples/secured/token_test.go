package main

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTokens_WithoutAGoodOneACallerLearnsWhereToGetIt(t *testing.T) {
	r, i := withIssuer(t, config{})
	stranger, err := newIssuer()
	must(t, err)
	t.Cleanup(stranger.close)
	now := time.Now()
	claimsOf := func(change func(*claims)) *claims {
		c := &claims{
			Issuer: i.url, Subject: "ada", Audience: r.url, Roles: []string{"admin"},
			Issued: now.Add(-2 * time.Hour).Unix(), Expires: now.Add(time.Hour).Unix(),
		}
		change(c)
		return c
	}
	good := claimsOf(func(*claims) {})
	call := `"name":"echo","arguments":{"text":"hi"}`
	for name, tt := range map[string]struct {
		by     *issuer
		claims *claims
		status int
	}{
		"good":             {i, good, 200},
		"none":             {nil, nil, 401},
		"expired":          {i, claimsOf(func(c *claims) { c.Expires = now.Add(-time.Hour).Unix() }), 401},
		"another audience": {i, claimsOf(func(c *claims) { c.Audience = r.url + "/other" }), 401},
		"no audience":      {i, claimsOf(func(c *claims) { c.Audience = "" }), 401},
		"another issuer":   {stranger, claimsOf(func(c *claims) { c.Issuer = stranger.url }), 401},
		"another's key":    {stranger, good, 401},
		"no subject":       {i, claimsOf(func(c *claims) { c.Subject = "" }), 401},
	} {
		t.Run(name, func(t *testing.T) {
			p := &peer{url: r.url, version: "2026-07-28"}
			if tt.by != nil {
				p.token, err = tt.by.sign(tt.claims)
				must(t, err)
			}
			a := p.ask(t, "tools/call", call, "echo")
			a.has(t, tt.status)
			if tt.status == 200 {
				return
			}
			challenge := a.header.Get("WWW-Authenticate")
			if refused := strings.Contains(challenge, `error="invalid_token"`); refused != (p.token != "") {
				t.Errorf("challenge %s", challenge)
			}
			_, rest, _ := strings.Cut(challenge, `resource_metadata="`)
			at, _, _ := strings.Cut(rest, `"`)
			metadata(t, at).has(t, 200, `"resource":"`+r.url+`"`, `"authorization_servers":["`+i.url+`"]`, `"scopes_supported":["notes:admin"]`)

			legacy := &peer{url: r.url, version: "2025-11-25", token: p.token}
			legacy.ask(t, "initialize", `"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}`, "").has(t, 401, at)
		})
	}
}

// metadata asks for a document, without a token.
func metadata(t *testing.T, url string) answer {
	t.Helper()
	res, err := http.Get(url)
	must(t, err)
	return received(t, res)
}

func TestTokens_RolesMayBeInAnotherClaim(t *testing.T) {
	r, i := withIssuer(t, config{rolesClaim: "/realm_access/roles"})
	c := map[string]any{
		"iss": i.url, "sub": "ada", "aud": []string{r.url}, "exp": time.Now().Add(time.Hour).Unix(),
		"realm_access": map[string]any{"roles": []string{"editor"}}, "roles": []string{"admin"},
	}
	token, err := i.sign(c)
	must(t, err)
	p := r.peer(t, "2026-07-28", token)
	p.call(t, "note_write", `{"id":"a","text":"b"}`).has(t, 200)
	p.call(t, "admin_purge", `{}`).like(t, "admin_purge", p.call(t, "admin_surge", `{}`), "admin_surge")
}

func TestIssuer_OneThatIsDownDoesNotKeepTheServerFromStarting(t *testing.T) {
	i, err := newIssuer()
	must(t, err)
	i.close()
	r := start(t, config{issuer: i.url})
	if !strings.Contains(r.logs.String(), "fetching token keys failed") {
		t.Errorf("told: %s", r.logs)
	}
	p := &peer{url: r.url, version: "2026-07-28", token: r.token(t, i, "rita", "reader", "")}
	a := p.call(t, "echo", `{"text":"hi"}`)
	a.has(t, 503)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestIssuer_ItsKeysMayBeElsewhere(t *testing.T) {
	i, err := newIssuer()
	must(t, err)
	t.Cleanup(i.close)
	keys := i.url + "/keys"
	i.url = "https://login.example.com" // which nobody asks
	r := start(t, config{issuer: i.url, jwks: keys})
	r.peer(t, "2026-07-28", r.token(t, i, "rita", "reader", "")).call(t, "echo", `{"text":"hi"}`).has(t, 200)
}

func TestAudience_IsTheOnlyNameTheServerIsCalledBy(t *testing.T) {
	r, i := withIssuer(t, config{audience: "http://localhost:PORT/mcp"})
	name := strings.Replace(r.url, "127.0.0.1", "localhost", 1)
	token, err := i.token("rita", "reader", "", name)
	must(t, err)
	for host, status := range map[string]int{strings.TrimSuffix(strings.TrimPrefix(name, "http://"), "/mcp"): 200, "evil.example": 403, "": 403} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
			`{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`))
		must(t, err)
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		received(t, res).has(t, status)
	}
}

func TestFlags_MistakesSayWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	for want, c := range map[string]config{
		"address already in use":  {addr: taken.Addr().String()},
		"-addr is not":            {},
		"-addr is not a host":     {addr: "127.0.0.1"},
		"say with -audience":      {addr: ":8080"},
		"that clients reach":      {addr: "127.0.0.1:0"},
		"-audience says":          {addr: "0.0.0.0:8080"},
		"-jwks needs -issuer":     {addr: "127.0.0.1:8080", jwks: "https://i.example/keys"},
		"-audience is not a URL":  {addr: "127.0.0.1:8080", audience: "notes"},
		"auth: JWTOptions.Issuer": {addr: "127.0.0.1:8080", issuer: "http://login.example.com"},
		"no such file":            {addr: "127.0.0.1:8080", policy: "none.yaml"},
	} {
		if err := run(t.Context(), &c, new(lockedBuffer), new(lockedBuffer)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
