package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// tokenLife is long enough to play a day. A real issuer gives minutes, and a way
// to refresh.
const tokenLife = 12 * time.Hour

// An issuer stands in for an authorization server, on loopback: it publishes
// where its key is, and signs what it is told to. The key lives as long as the
// process, and so do its tokens.
type issuer struct {
	url    string
	signer jose.Signer
	web    *http.Server
	done   sync.WaitGroup
}

func newIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private := jose.JSONWebKey{Key: key, KeyID: "demo", Use: "sig", Algorithm: string(jose.ES256)}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demonstration issuer: %w", err)
	}
	i := &issuer{url: "http://" + listener.Addr().String(), signer: signer}
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/openid-configuration", document(map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"}))
	mux.Handle("GET /keys", document(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}))
	i.web = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	i.done.Go(func() { _ = i.web.Serve(listener) }) // ends with close
	return i, nil
}

func (i *issuer) close() {
	_ = i.web.Close()
	i.done.Wait()
}

func document(v any) http.Handler {
	body, err := json.Marshal(v)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			http.Error(w, "no document", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // the client may be gone
	})
}

// claims are those that this server looks at.
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Issued   int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	Roles    []string `json:"roles,omitempty"`
	Scope    string   `json:"scope,omitempty"` // blanks between
}

// token is for audience, from now on.
func (i *issuer) token(subject, role, scope, audience string) (string, error) {
	now := time.Now()
	return i.sign(&claims{
		Issuer: i.url, Subject: subject, Audience: audience, Issued: now.Unix(), Expires: now.Add(tokenLife).Unix(),
		Roles: []string{role}, Scope: scope,
	})
}

func (i *issuer) sign(claims any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	jws, err := i.signer.Sign(body)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// tour is what to try at url: each step a line for the shell.
func (i *issuer) tour(url string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "issuer: %s, for demonstration; its tokens are good until this program ends, %.0f hours at most\n", i.url, tokenLife.Hours())
	for _, step := range steps {
		token, err := i.token(step.subject, step.role, step.scope, url)
		if err != nil {
			return err.Error() + "\n"
		}
		fmt.Fprintf(&text, "\n# %s\n", step.says)
		fmt.Fprintf(&text, curl+"\n", url, token, step.method, step.name, step.params)
	}
	return text.String() + "\n"
}

// The parameters of a step stand behind _meta.
var steps = []struct{ says, subject, role, scope, method, name, params string }{
	{"rita, a reader, may use echo", "rita", "reader", "", "tools/call", "echo", `,"name":"echo","arguments":{"text":"hello"}`},
	{"and sees no other tool", "rita", "reader", "", "tools/list", "", ""},
	{"ed, an editor, writes a note", "ed", "editor", "", "tools/call", "note_write", `,"name":"note_write","arguments":{"id":"plan","text":"lunch"}`},
	{"and reads it", "ed", "editor", "", "resources/read", "notes://ed/plan", `,"uri":"notes://ed/plan"`},
	{"for rita there is no such note", "rita", "reader", "", "resources/read", "notes://ed/plan", `,"uri":"notes://ed/plan"`},
	{"ada, an admin, learns that her token needs the scope notes:admin", "ada", "admin", "", "tools/call", "admin_purge", `,"name":"admin_purge","arguments":{}`},
	{"and deletes all notes with one that has it", "ada", "admin", purgeScope, "tools/call", "admin_purge", `,"name":"admin_purge","arguments":{}`},
}

const curl = `curl -si %s -H 'Authorization: Bearer %s' -H Content-Type:application/json -H MCP-Protocol-Version:2026-07-28 ` +
	`-H Mcp-Method:%s -H Mcp-Name:%s -d '{"jsonrpc":"2.0","id":1,"method":"%[3]s","params":{"_meta":` +
	`{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}%[5]s}}'`
