package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/server"
)

// roleGuard knows tokens of the form "name/role+role/scope+scope".
func roleGuard(t *testing.T) *auth.Guard {
	t.Helper()
	fields := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == '+' })
	}
	g, err := auth.NewGuard(auth.Options{
		Verify: func(_ context.Context, token string, _ *http.Request) (*sdkauth.TokenInfo, error) {
			parts := strings.Split(token, "/")
			if len(parts) != 3 {
				return nil, sdkauth.ErrInvalidToken
			}
			return &sdkauth.TokenInfo{
				UserID: parts[0], Scopes: fields(parts[2]),
				Extra: map[string]any{"iss": "https://i", "roles": fields(parts[1])},
			}, nil
		},
	})
	mustAdd(t, err)
	return g
}

func policyOf(t *testing.T, spec auth.PolicySpec) *auth.Policy {
	t.Helper()
	p, err := auth.NewPolicy(spec)
	mustAdd(t, err)
	return p
}

func serveHTTP(t *testing.T, srv *server.Server) string {
	t.Helper()
	h, err := srv.Handler()
	mustAdd(t, err)
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	t.Cleanup(web.CloseClientConnections)
	return web.URL
}

// A peer is a client that writes its own bytes.
type peer struct {
	url, version, token, session string

	header map[string]string // sent with each request
}

// eras are the versions that the tests below speak.
var eras = []string{"2025-11-25", "2026-07-28"}

func newPeer(t *testing.T, url, version, token string) *peer {
	t.Helper()
	p := &peer{url: url, version: version, token: token}
	if version < "2026-07-28" {
		res := p.send(t, "initialize", `"protocolVersion":"`+version+`","capabilities":{},"clientInfo":{"name":"c","version":"1"}`, "")
		p.session = res.Header.Get("Mcp-Session-Id")
		_ = res.Body.Close()
		if p.session == "" {
			t.Fatalf("no session: %d", res.StatusCode)
		}
	}
	return p
}

// send sends a request; members are those of its params.
func (p *peer) send(t *testing.T, method, members, name string) *http.Response {
	t.Helper()
	if p.version >= "2026-07-28" {
		if members != "" {
			members += ","
		}
		members += `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + p.version + `","io.modelcontextprotocol/clientCapabilities":{}}`
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, members)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url, strings.NewReader(body))
	mustAdd(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("X-Request-Id", "same")
	for k, v := range p.header {
		req.Header.Set(k, v)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	if p.version >= "2026-07-28" || p.session != "" {
		req.Header.Set("MCP-Protocol-Version", p.version)
	}
	if p.session != "" {
		req.Header.Set("Mcp-Session-Id", p.session)
	}
	if p.version >= "2026-07-28" {
		req.Header.Set("Mcp-Method", method)
		if name != "" {
			req.Header.Set("Mcp-Name", name)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	mustAdd(t, err)
	return res
}

var timestamps = regexp.MustCompile(`"timestamp":"[^"]*"`)

// ask returns all of an answer that a client can see, but for the time: status,
// challenge and body.
func (p *peer) ask(t *testing.T, method, members, name string) string {
	t.Helper()
	res := p.send(t, method, members, name)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	mustAdd(t, err)
	return fmt.Sprintf("%d %s\n%s %s", res.StatusCode, res.Header.Get("WWW-Authenticate"), res.Header.Get("Content-Type"),
		timestamps.ReplaceAllString(string(body), `"timestamp":""`))
}

// list returns the names in a list, over all pages; pages is how many items each
// page had.
func (p *peer) list(t *testing.T, method string) (names, pages string) {
	t.Helper()
	var all, counts []string
	members := ""
	for range 20 {
		res := p.send(t, method, members, "")
		var answer struct {
			Result struct {
				Tools, Prompts, Resources, ResourceTemplates []struct{ Name string }
				NextCursor                                   string
				CacheScope                                   string
			}
		}
		err := json.NewDecoder(res.Body).Decode(&answer)
		_ = res.Body.Close()
		mustAdd(t, err)
		r := &answer.Result
		items := append(append(append(r.Tools, r.Prompts...), r.Resources...), r.ResourceTemplates...)
		for _, item := range items {
			all = append(all, item.Name)
		}
		counts = append(counts, fmt.Sprint(len(items)))
		if p.version >= "2026-07-28" && r.CacheScope != "private" {
			t.Errorf("%s may be shared: %q", method, r.CacheScope)
		}
		if r.NextCursor == "" {
			return strings.Join(all, " "), strings.Join(counts, " ")
		}
		cursor, err := json.Marshal(r.NextCursor)
		mustAdd(t, err)
		members = `"cursor":` + string(cursor)
	}
	t.Fatal("the list does not end")
	return "", ""
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// decoded is what somebody may read of a cursor.
func decoded(cursor string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(cursor)
	return string(raw)
}

// sdkCursorFor makes go-sdk's cursor for what comes after a name.
func sdkCursorFor(name string) string {
	type pageToken struct{ LastUID string }
	var buf bytes.Buffer
	_ = gob.NewEncoder(&buf).Encode(pageToken{name})
	return base64.URLEncoding.EncodeToString(buf.Bytes())
}
