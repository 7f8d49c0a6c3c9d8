package transport_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// No proxy is configured, so nothing that a proxy could add counts.
func TestHTTP_Threat16_ForwardedHeadersMeanNothing(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	for _, forwarded := range []http.Header{
		{"X-Forwarded-Host": {"localhost"}, "X-Forwarded-Proto": {"https"}},
		{"X-Forwarded-For": {"127.0.0.1"}, "X-Real-Ip": {"127.0.0.1"}},
		{"Forwarded": {"for=127.0.0.1;host=localhost;proto=https"}},
		{"X-Original-Host": {"localhost"}, "X-Host": {"localhost"}},
	} {
		for _, c := range []struct {
			host, origin string
			status       int
		}{
			{"evil.example.com", "", http.StatusForbidden},
			{"localhost", "http://evil.example.com", http.StatusForbidden},
			{"localhost", "", http.StatusOK},
		} {
			res := post(t, ts.URL, "", initialize(), func(r *http.Request) {
				r.Host = c.host
				maps.Copy(r.Header, forwarded)
				if c.origin != "" {
					r.Header.Set("Origin", c.origin)
				}
			})
			if res.StatusCode != c.status {
				t.Errorf("%v with %v: status %d, want %d", c, forwarded, res.StatusCode, c.status)
			}
		}
	}
	evil := header("X-Forwarded-Host", "evil.example.com")
	if res := post(t, ts.URL, "", initialize(), evil); res.StatusCode != http.StatusOK {
		t.Errorf("a good host with an evil one forwarded: status %d", res.StatusCode)
	}
}

// panicking has something that panics behind each kind of call.
func panicking() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		CompletionHandler:  func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error) { panic("CANARY") },
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { panic("CANARY") },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { panic("CANARY") },
	})
	s.AddTool(&mcp.Tool{Name: "x", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("CANARY") })
	s.AddPrompt(&mcp.Prompt{Name: "x"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) { panic("CANARY") })
	s.AddResource(&mcp.Resource{Name: "x", URI: "test:x"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) { panic("CANARY") })
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "resources/list" || method == "notifications/progress" {
				panic("CANARY")
			}
			return next(ctx, method, req)
		}
	})
	return s
}

func TestHTTP_Threat39_APanicAnywhereIsTheFaultOfOneCall(t *testing.T) {
	h := newHandler(t, panicking(), &transport.Options{
		SessionOpened: func(*mcp.ServerSession) { panic("CANARY") },
		SessionClosed: func(*mcp.ServerSession, transport.SessionEnd) { panic("CANARY") },
	})
	session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
	check := func(what, body string) {
		t.Helper()
		wantError(t, []byte(body), -32603, "1")
		if strings.Contains(body, "CANARY") {
			t.Errorf("%s: the panic is told: %s", what, body)
		}
	}
	for _, c := range []struct {
		method, name, params string
		legacyOnly           bool
	}{
		{"tools/call", "x", `"name":"x"`, false},
		{"prompts/get", "x", `"name":"x"`, false},
		{"resources/read", "test:x", `"uri":"test:x"`, false},
		{"completion/complete", "", `"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"n","value":"v"}`, false},
		{"resources/list", "", "", false},
		{"resources/subscribe", "", `"uri":"test:x"`, true},
		{"resources/unsubscribe", "", `"uri":"test:x"`, true},
	} {
		request := `{"jsonrpc":"2.0","id":1,"method":"` + c.method + `","params":{` + c.params + `}}`
		check("legacy "+c.method, play(t, h, session, request, nil).Body.String())
		if !c.legacyOnly {
			check("modern "+c.method, recorded(t, h, c.method, c.name, c.params).Body.String())
		}
	}
	if w := play(t, h, session, progressNote, nil); w.Code != http.StatusAccepted {
		t.Errorf("a notification whose handler panics: %d", w.Code)
	}
	if w := play(t, h, session, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"result"`) {
		t.Errorf("afterwards, legacy: %d %s", w.Code, w.Body)
	}
	if w := recorded(t, h, "tools/list", "", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"result"`) {
		t.Errorf("afterwards, modern: %d %s", w.Code, w.Body)
	}
	if w := play(t, h, session, "", withMethod(http.MethodDelete)); w.Code != http.StatusNoContent {
		t.Errorf("DELETE: %d", w.Code)
	}
}
