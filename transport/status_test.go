package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/transport"
)

const (
	metadataURL  = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
	metadataPart = `resource_metadata="` + metadataURL + `"`
)

// statuses is the documented table, written down a second time on purpose.
var statuses = map[mcperrors.Code]struct {
	rpc            int64
	legacy, modern int
	challenge      string
}{
	mcperrors.Validation:      {-32602, 200, 400, ""},
	mcperrors.Unauthenticated: {401, 401, 401, `Bearer scope="notes:read notes:write", ` + metadataPart},
	mcperrors.Authorization:   {403, 403, 403, `Bearer error="insufficient_scope", scope="notes:read notes:write", ` + metadataPart},
	mcperrors.NotFound:        {-32602, 200, 400, ""},
	mcperrors.Conflict:        {409, 200, 200, ""},
	mcperrors.RateLimited:     {429, 429, 429, ""},
	mcperrors.Timeout:         {504, 200, 200, ""},
	mcperrors.Unavailable:     {503, 503, 503, ""},
	mcperrors.Exhausted:       {503, 503, 503, ""},
	mcperrors.Canceled:        {499, 499, 499, ""},
	mcperrors.Internal:        {-32603, 200, 200, ""},
}

// refusing returns a server whose middleware refuses calls of "echo" with err,
// and those of "late" after it has reported progress.
func refusing(err *error) *mcp.Server {
	s := newServer(newGate())
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			call, ok := req.(*mcp.CallToolRequest)
			if !ok || *err == nil {
				return next(ctx, method, req)
			}
			if call.Params.Name == "late" {
				_ = call.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Progress: 1})
			}
			return nil, *err
		}
	})
	return s
}

// modernCall is call with what 2026-07-28 wants.
func modernCall(id, tool string) string {
	return strings.Replace(call(id, tool), `"arguments"`, meta+`,"arguments"`, 1)
}

// lastEvent returns the data of the last event.
func lastEvent(stream string) string {
	events := strings.Split(strings.TrimSpace(stream), "data: ")
	return events[len(events)-1]
}

func TestStatuses_OfEveryCodeInEveryFormEraAndAnswer(t *testing.T) {
	var refusal error
	s := refusing(&refusal)
	_, ts := serve(t, s, &transport.Options{ResourceMetadata: metadataURL})
	session := open(t, ts.URL, nil)
	lines := map[string]*wire{}
	for _, version := range []string{legacy, modern} {
		lines[version], _ = stdio(t, s, &transport.Stdio{})
	}
	lines[legacy].hello(t)

	if len(statuses) != len(mcperrors.Codes()) {
		t.Fatalf("the table has %d codes of %d", len(statuses), len(mcperrors.Codes()))
	}
	for code, want := range statuses {
		coded := &mcperrors.Error{
			Code: code, Message: "told", Cause: errors.New("CANARY"), RetryAfter: 1500 * time.Millisecond,
			Scopes: []string{"notes:read", "notes:write"},
		}
		for form, err := range map[string]error{
			"coded": coded, "wrapped": fmt.Errorf("CANARY: %w", coded), "encoded": coded.Wire("tools/call", modern),
		} {
			refusal = err
			for _, c := range []struct {
				name   string
				status int
				header bool // of this very error
				send   func() (*http.Response, string)
			}{
				{"legacy", want.legacy, true, func() (*http.Response, string) {
					res := post(t, ts.URL, legacy, call("7", "echo"), inSession(session))
					return res, readAll(t, res.Body)
				}},
				{"modern", want.modern, true, func() (*http.Response, string) {
					res := post(t, ts.URL, modern, modernCall("7", "echo"), routed("tools/call", "echo"))
					return res, readAll(t, res.Body)
				}},
				{"batch", 200, false, func() (*http.Response, string) {
					res := post(t, ts.URL, "2025-03-26", "["+call("7", "echo")+"]", inSession(session))
					return res, strings.Trim(readAll(t, res.Body), "[]")
				}},
				{"legacy stream", 200, false, func() (*http.Response, string) {
					res := post(t, ts.URL, legacy, call("7", "late"), inSession(session))
					return res, lastEvent(readAll(t, res.Body))
				}},
				{"modern stream", 200, false, func() (*http.Response, string) {
					res := post(t, ts.URL, modern, modernCall("7", "late"), routed("tools/call", "late"))
					return res, lastEvent(readAll(t, res.Body))
				}},
				{"legacy stdio", 0, false, func() (*http.Response, string) {
					lines[legacy].send(t, call("7", "echo"))
					return nil, lines[legacy].line(t)
				}},
				{"modern stdio", 0, false, func() (*http.Response, string) {
					lines[modern].send(t, modernCall("7", "echo"))
					return nil, lines[modern].line(t)
				}},
			} {
				if strings.HasSuffix(c.name, "stdio") && form != "encoded" {
					continue // go-sdk encodes them by itself there: the errors middleware comes first
				}
				t.Run(fmt.Sprintf("%s/%s/%s", code, form, c.name), func(t *testing.T) {
					res, body := c.send()
					e := wantError(t, []byte(body), want.rpc, "7")
					checkData(t, e.Error.Data, code, want.challenge != "")
					if strings.Contains(body, "CANARY") {
						t.Errorf("the cause leaked: %s", body)
					}
					if res == nil {
						return
					}
					retry, challenge := "", ""
					if c.header && c.status >= 400 {
						retry, challenge = "2", want.challenge
					}
					got := []any{res.StatusCode, res.Header.Get("Retry-After"), res.Header.Get("WWW-Authenticate")}
					if diff := cmp.Diff([]any{c.status, retry, challenge}, got); diff != "" {
						t.Errorf("status, Retry-After, WWW-Authenticate: -want +got:\n%s", diff)
					}
				})
			}
		}
	}
}

// checkData checks what every transport tells beside the code.
func checkData(t *testing.T, data map[string]any, code mcperrors.Code, scoped bool) {
	t.Helper()
	if data["type"] != string(code) || data["retryAfterMs"] != 1500.0 {
		t.Errorf("data %v", data)
	}
	if _, told := data["scopes"]; told != scoped {
		t.Errorf("scopes in %v, want them: %t", data, scoped)
	}
}

func TestStatuses_OfErrorsMadeElsewhere(t *testing.T) {
	var refusal error
	_, ts := serve(t, refusing(&refusal), &transport.Options{ResourceMetadata: metadataURL})
	session := open(t, ts.URL, nil)
	for _, c := range []struct {
		code             int64
		data             string
		status           int
		retry, challenge string
	}{
		{401, ``, 401, "", "Bearer " + metadataPart},
		{403, ``, 403, "", ""},
		{429, `{"retryAfterMs":1}`, 429, "1", ""},
		{503, `{"retryAfterMs":"canary"}`, 503, "", ""},
		{401, `{"scopes":["x\r\nSet-Cookie: a=b"]}`, 401, "", "Bearer " + metadataPart},
		{-32000, ``, 200, "", ""},
	} {
		foreign := &jsonrpc.Error{Code: c.code, Message: "told", Data: json.RawMessage(c.data)}
		for _, err := range []error{foreign, fmt.Errorf("wrapped: %w", foreign)} {
			refusal = err
			for name, res := range map[string]*http.Response{
				"legacy": post(t, ts.URL, legacy, call("7", "echo"), inSession(session)),
				"modern": post(t, ts.URL, modern, modernCall("7", "echo"), routed("tools/call", "echo")),
			} {
				wantError(t, []byte(readAll(t, res.Body)), c.code, "7")
				got := []any{res.StatusCode, res.Header.Get("Retry-After"), res.Header.Get("WWW-Authenticate"), res.Header.Get("Set-Cookie")}
				if diff := cmp.Diff([]any{c.status, c.retry, c.challenge, ""}, got); diff != "" {
					t.Errorf("%s: %v: -want +got:\n%s", name, err, diff)
				}
			}
		}
	}
}

func TestStatuses_OfARefusedInitializeAreReal(t *testing.T) {
	s := newServer(newGate())
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "initialize" {
				return nil, &mcperrors.Error{Code: mcperrors.Authorization, Scopes: []string{"a"}, RetryAfter: time.Nanosecond}
			}
			return next(ctx, method, req)
		}
	})
	w := play(t, newHandler(t, s, nil), "", initialize(), nil)
	if w.Code != http.StatusForbidden || w.Header().Get("WWW-Authenticate") != `Bearer error="insufficient_scope", scope="a"` || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	wantError(t, w.Body.Bytes(), 403, "0")
}

func TestStatuses_OfAnErrorThatPanicsAreThoseOfInternal(t *testing.T) {
	refusal := error(explosive{})
	h := newHandler(t, refusing(&refusal), nil)
	session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
	w := play(t, h, session, call("7", "echo"), nil)
	wantError(t, w.Body.Bytes(), -32603, "7")
	if w = play(t, h, session, call("8", "echo"), nil); w.Code != http.StatusOK {
		t.Errorf("the next call: %d %s", w.Code, w.Body)
	}
}

func TestChallenge_KnowsCredentialsAndYieldsToWhatIsThere(t *testing.T) {
	refusal := error(&mcperrors.Error{Code: mcperrors.Unauthenticated})
	h := newHandler(t, refusing(&refusal), nil)
	session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
	for _, c := range []struct{ token, before, want string }{
		{"", "", `Bearer realm="mcp"`},
		{"t", "", `Bearer error="invalid_token"`},
		{"t", `Basic realm="x"`, `Basic realm="x"`},
	} {
		wrapped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.before != "" {
				w.Header().Set("WWW-Authenticate", c.before)
			}
			h.ServeHTTP(w, r)
		})
		token := func(r *http.Request) {
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
		}
		modernly := func(r *http.Request) {
			token(r)
			r.Header.Set("MCP-Protocol-Version", modern)
			routed("tools/call", "echo")(r)
		}
		for _, got := range [][]string{
			play(t, wrapped, session, call("1", "echo"), token).Header()["Www-Authenticate"],
			play(t, wrapped, "", modernCall("1", "echo"), modernly).Header()["Www-Authenticate"],
		} {
			if !slices.Equal(got, []string{c.want}) {
				t.Errorf("%+v: got %q", c, got)
			}
		}
	}
}

func TestNewHTTPHandler_TakesOnlyMetadataThatClientsCanTrust(t *testing.T) {
	for url, ok := range map[string]bool{
		"": true, metadataURL: true, "http://localhost:8080/x": true, "http://127.0.0.1/x": true, "http://[::1]:1/x": true,
		"http://mcp.example.com/x": false, "/x": false, "mcp.example.com/x": false, "https:///x": false,
		"https://u:p@mcp.example.com/x": false, "https://mcp.example.com/x#f": false, "ftp://localhost/x": false,
		"https://mcp.example.com/\"": false, "https://mcp.example.com/ x": false, "https://mcp.example.com/\r\nX: y": false,
		"https://mcp.example.com/é": false, "https://mcp.example.com/\\": false,
	} {
		_, err := transport.NewHTTPHandler(newServer(newGate()), &transport.Options{ResourceMetadata: url})
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestStatuses_OfEveryMethodThatMiddlewareRefuses(t *testing.T) {
	s := wireServer()
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "initialize" {
				return next(ctx, method, req)
			}
			return nil, &mcperrors.Error{Code: mcperrors.Authorization, Scopes: []string{"a"}}
		}
	})
	h := newHandler(t, s, nil)
	session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
	for _, c := range []struct {
		method, name, params string
		eras                 string
	}{
		{"tools/call", "echo", `"name":"echo"`, "both"},
		{"prompts/get", "p", `"name":"p"`, "both"},
		{"resources/read", "test:a", `"uri":"test:a"`, "both"},
		{"completion/complete", "", `"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"n","value":"v"}`, "both"},
		{"tools/list", "", "", "both"},
		{"prompts/list", "", "", "both"},
		{"resources/list", "", "", "both"},
		{"resources/templates/list", "", "", "both"},
		{"server/discover", "", "", modern},
		{"subscriptions/listen", "", `"notifications":{"toolsListChanged":true}`, modern},
		{"ping", "", "", legacy},
		{"logging/setLevel", "", `"level":"info"`, legacy},
		{"resources/subscribe", "", `"uri":"test:a"`, legacy},
		{"resources/unsubscribe", "", `"uri":"test:a"`, legacy},
	} {
		got := map[string]*httptest.ResponseRecorder{}
		if c.eras != modern {
			got[legacy] = play(t, h, session, `{"jsonrpc":"2.0","id":1,"method":"`+c.method+`","params":{`+c.params+`}}`, nil)
		}
		if c.eras != legacy {
			got[modern] = recorded(t, h, c.method, c.name, c.params)
		}
		for version, w := range got {
			if w.Code != http.StatusForbidden || w.Header().Get("WWW-Authenticate") != `Bearer error="insufficient_scope", scope="a"` {
				t.Errorf("%s at %s: %d %v %s", c.method, version, w.Code, w.Header(), w.Body)
			}
			wantError(t, w.Body.Bytes(), 403, "1")
		}
	}
}
