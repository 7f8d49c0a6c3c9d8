package mcptest_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/internal/conform"
)

// A spoil spoils what a sound server does in one respect.
type spoil struct {
	rule    string
	only    string // requests whose body contains this; all, if empty
	request func(*http.Request)
	status  int
	old     string // in the answer
	new     string
}

func drop(header string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(header) }
}

func TestConform_EachRuleCanFail(t *testing.T) {
	both := []spoil{
		{rule: "response-id", only: `"a string"`, old: `"a string"`, new: `1`},
		{rule: "unknown-method", only: "nobody/nothing", old: "-32601", new: "-32600"},
		{rule: "broken-json", old: "-32700", new: "-32600"},
		{rule: "not-json-rpc", only: `"1.0"`, old: "-32600", new: "-1"},
		{rule: "notification", only: "notifications/cancelled", status: http.StatusInternalServerError},
		{rule: "capabilities", only: "tools/list", old: `"tools":[`, new: `"tools":null,"other":[`},
		{rule: "bad-cursor", only: `"cursor"`, old: "-32602", new: "-1"},
		{rule: "tool-list", only: "tools/list", old: `"name":"work"`, new: `"name":"add"`},
		{rule: "unknown-tool", only: "tools/call", old: "-32602", new: "-1"},
		{rule: "resource-list", only: "resources/list", old: `"name":"one"`, new: `"name":""`},
		{rule: "unknown-resource", only: "resources/read", old: `"error"`, new: `"result"`},
		{rule: "prompt-list", only: "prompts/list", old: `"name":"greet"`, new: `"name":""`},
		{rule: "unknown-prompt", only: "-nobody", old: "-32602", new: "-1"},
		{rule: "missing-argument", only: `"name":"greet"`, old: "-32602", new: "-1"},
		{rule: "http-accepted", only: "notifications/cancelled", status: http.StatusOK},
		{rule: "http-origin", request: drop("Origin")},
		{rule: "http-content-type", request: func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }},
	}
	legacy := []spoil{
		{rule: "ping", only: `"ping"`, old: `"result":{`, new: `"result":{"pong":1,"_meta":{}`},
		{rule: "http-session-id"},
		{rule: "http-unknown-session", status: http.StatusOK},
		{rule: "http-deleted-session", status: http.StatusOK},
	}
	modern := []spoil{
		{rule: "missing-version", only: `"params":{}`, old: `"error"`, new: `"result"`},
		{rule: "result-type", only: "/list", old: `"resultType"`, new: `"kind"`},
		{rule: "http-header-mismatch", request: func(r *http.Request) { r.Header.Set("Mcp-Method", "server/discover") }},
		{rule: "http-unsupported-version", only: "2999-01-01", old: "-32022", new: "-1"},
	}
	for version, spoils := range map[string][]spoil{"2025-11-25": slices.Concat(both, legacy), "2026-07-28": slices.Concat(both, modern)} {
		untouched := map[string]bool{}
		for _, r := range conformed(t, version, spoil{}) {
			untouched[r.Rule] = true
		}
		for _, s := range spoils {
			delete(untouched, s.rule)
			t.Run(version+"/"+s.rule, func(t *testing.T) {
				var failed []string
				for _, r := range conformed(t, version, s) {
					if !r.OK() {
						failed = append(failed, r.Rule)
					}
				}
				if !slices.Contains(failed, s.rule) {
					t.Errorf("it holds; failed: %v", failed)
				}
			})
		}
		if len(untouched) > 0 {
			t.Errorf("%s: rules that were not seen to fail: %v", version, slices.Collect(maps.Keys(untouched)))
		}
	}
}

// conformed runs the rules against a sound server whose answers s spoils.
func conformed(t *testing.T, version string, s spoil) []conform.Result {
	t.Helper()
	sound, err := newServer(t).Handler()
	if err != nil {
		t.Fatal(err)
	}
	session := ""
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		applies := s.rule != "" && strings.Contains(string(raw), s.only)
		if applies && s.request != nil {
			s.request(r)
		}
		if s.rule == "http-session-id" && r.Header.Get("Mcp-Session-Id") == "short" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		rec := httptest.NewRecorder()
		sound.ServeHTTP(rec, r)
		body := rec.Body.String()
		if applies && s.old != "" && rec.Header().Get("Content-Type") == "application/json" {
			body = strings.ReplaceAll(body, s.old, s.new)
		}
		maps.Copy(w.Header(), rec.Header())
		if s.rule == "http-session-id" && rec.Header().Get("Mcp-Session-Id") != "" {
			session = rec.Header().Get("Mcp-Session-Id")
			w.Header().Set("Mcp-Session-Id", "short")
		}
		if w.Header().Get("Content-Length") != "" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		status := rec.Code
		if applies && s.status != 0 && (s.only != "" || status/100 == 4) {
			status = s.status
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer web.Close()
	results, err := conform.Run(t.Context(), &conform.HTTP{URL: web.URL, Client: web.Client()}, version, conform.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestConform_NamesAServerThatIsNone(t *testing.T) {
	for _, h := range []http.Handler{http.NotFoundHandler(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`)
	})} {
		web := httptest.NewServer(h)
		if _, err := conform.Run(t.Context(), &conform.HTTP{URL: web.URL}, "2025-11-25", conform.Options{}); err == nil {
			t.Error("no error")
		}
		web.Close()
	}
}
