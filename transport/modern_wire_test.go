package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/transport"
)

const signed = `"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"test","version":"1"}}`

// modernPost makes one modern call.
func modernPost(t *testing.T, url, method, name, params string, alter func(*http.Request)) *http.Response {
	t.Helper()
	if params != "" {
		params += ","
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{` + params + meta + `}}`
	return post(t, url, modern, body, func(r *http.Request) {
		routed(method, name)(r)
		if alter != nil {
			alter(r)
		}
	})
}

func wantJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %q", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%v: %q", err, want)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// wireServer has one of each feature.
func wireServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		Instructions: "ask",
		CompletionHandler: func(_ context.Context, r *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			c := r.Params.Context
			return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{
				r.Params.Ref.Type + r.Params.Ref.Name + r.Params.Argument.Name + r.Params.Argument.Value + c.Arguments["k"],
			}}}, nil
		},
	})
	object := json.RawMessage(`{"type":"object"}`)
	s.AddTool(&mcp.Tool{Name: "echo", InputSchema: object}, func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: r.ClientInfo().Name}}, StructuredContent: r.Params.Arguments, Meta: mcp.Meta{"k": 1}}, nil
	})
	s.AddTool(&mcp.Tool{Name: "ask", InputSchema: object}, func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if r.Params.RequestState == "s" {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: r.Params.InputResponses["q"].(*mcp.ElicitResult).Action}}}, nil
		}
		return &mcp.CallToolResult{RequestState: "s", InputRequests: mcp.InputRequestMap{"q": &mcp.ElicitParams{Mode: "form", Message: "?"}}}, nil
	})
	s.AddTool(&mcp.Tool{Name: "log", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, level := range []mcp.LoggingLevel{"info", "error"} {
			if err := r.Session.Log(ctx, &mcp.LoggingMessageParams{Level: level, Data: "d"}); err != nil {
				return nil, err
			}
		}
		return &mcp.CallToolResult{}, nil
	})
	s.AddPrompt(&mcp.Prompt{Name: "p"}, func(_ context.Context, r *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: r.Params.Arguments["a"]}}}}, nil
	})
	s.AddResource(&mcp.Resource{Name: "a", URI: "test:a"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "test:a", Text: "a"}}}, nil
	})
	s.AddResourceTemplate(&mcp.ResourceTemplate{Name: "t", URITemplate: "test:t/{id}"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return nil, mcp.ResourceNotFoundError("test:t")
	})
	return s
}

func TestModern_GoldenAnswers(t *testing.T) {
	_, ts := serve(t, wireServer(), nil)
	hints := `"cacheScope":"public","ttlMs":0,"resultType":"complete",` + signed
	for _, c := range []struct{ method, name, params, result string }{
		{
			"tools/call", "echo", `"name":"echo","arguments":{"a":[1,2.5,"é"]}`,
			`{"content":[{"type":"text","text":"c"}],"structuredContent":{"a":[1,2.5,"é"]},"resultType":"complete","_meta":{"k":1,` + signed[9:] + `}`,
		},
		{
			"tools/call", "ask", `"name":"ask"`,
			`{"inputRequests":{"q":{"method":"elicitation/create","params":{"mode":"form","message":"?"}}},"requestState":"s","resultType":"input_required",` + signed + `}`,
		},
		{
			"tools/call", "ask", `"name":"ask","requestState":"s","inputResponses":{"q":{"action":"decline"}}`,
			`{"content":[{"type":"text","text":"decline"}],"resultType":"complete",` + signed + `}`,
		},
		{"tools/call", "log", `"name":"log"`, `{"content":[],"resultType":"complete",` + signed + `}`},
		{
			"prompts/get", "p", `"name":"p","arguments":{"a":"x"}`,
			`{"messages":[{"role":"user","content":{"type":"text","text":"x"}}],"resultType":"complete",` + signed + `}`,
		},
		{"resources/read", "test:a", `"uri":"test:a"`, `{"contents":[{"uri":"test:a","text":"a"}],` + hints + `}`},
		{
			"completion/complete", "", `"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"n","value":"v"},"context":{"arguments":{"k":"w"}}`,
			`{"completion":{"values":["ref/promptpnvw"]},"resultType":"complete",` + signed + `}`,
		},
		{"tools/list", "", "", `{"tools":[{"name":"ask","inputSchema":{"type":"object"}},{"name":"echo","inputSchema":{"type":"object"}},{"name":"log","inputSchema":{"type":"object"}}],` + hints + `}`},
		{"prompts/list", "", "", `{"prompts":[{"name":"p"}],` + hints + `}`},
		{"resources/list", "", "", `{"resources":[{"name":"a","uri":"test:a"}],` + hints + `}`},
		{"resources/templates/list", "", "", `{"resourceTemplates":[{"name":"t","uriTemplate":"test:t/{id}"}],` + hints + `}`},
		{"server/discover", "", "", `{"supportedVersions":["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"],"instructions":"ask",` +
			`"capabilities":{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"listChanged":true},"tools":{"listChanged":true}},` + hints + `}`},
	} {
		t.Run(c.method+" "+c.name, func(t *testing.T) {
			res := modernPost(t, ts.URL, c.method, c.name, c.params, nil)
			body := readAll(t, res.Body)
			if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" || strings.Contains(body, "\n") {
				t.Errorf("status %d, %v, body %q", res.StatusCode, res.Header, body)
			}
			wantJSON(t, body, `{"jsonrpc":"2.0","id":1,"result":`+c.result+`}`)

			res = modernPost(t, ts.URL, c.method, c.name, c.params, func(r *http.Request) {
				r.Header.Set("Accept", "text/event-stream, application/json")
			})
			event := readAll(t, res.Body)
			if want := "event: message\ndata: " + body + "\n\n"; event != want || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("a client that prefers streams got %q, want %q", event, want)
			}
		})
	}
}

func TestModern_NotificationsTurnTheAnswerIntoAStream(t *testing.T) {
	_, ts := serve(t, wireServer(), nil)
	for level, events := range map[string]int{"": 1, "debug": 3, "warning": 2, "emergency": 1, "nonsense": 1} {
		t.Run(level, func(t *testing.T) {
			body := strings.Replace(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"log",`+meta+`}}`,
				`"_meta":{`, `"_meta":{"io.modelcontextprotocol/logLevel":"`+level+`",`, 1)
			res := post(t, ts.URL, modern, body, routed("tools/call", "log"))
			got := readAll(t, res.Body)
			if n := max(strings.Count(got, "event: message\ndata: {"), 1); n != events {
				t.Errorf("%d messages, want %d: %q", n, events, got)
			}
			if stream := res.Header.Get("Content-Type") == "text/event-stream"; stream != (events > 1) {
				t.Errorf("stream: %t", stream)
			}
		})
	}
}

func TestModern_CodedErrorsBecomeStatuses(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   int64
		header map[string]string
	}{
		{&mcperrors.Error{Code: mcperrors.RateLimited, RetryAfter: 1500e6}, 429, 429, map[string]string{"Retry-After": "2"}},
		{&mcperrors.Error{Code: mcperrors.Unavailable, RetryAfter: 1e9}, 503, 503, map[string]string{"Retry-After": "1"}},
		{fmt.Errorf("canary: %w", &mcperrors.Error{Code: mcperrors.Exhausted}), 503, 503, map[string]string{"Retry-After": ""}},
		{&mcperrors.Error{Code: mcperrors.Unauthenticated}, 401, 401, map[string]string{"WWW-Authenticate": `Bearer realm="mcp"`}},
		{&mcperrors.Error{Code: mcperrors.Authorization}, 403, 403, map[string]string{"WWW-Authenticate": ""}},
		{&mcperrors.Error{Code: mcperrors.NotFound}, 400, -32602, nil},
		{&mcperrors.Error{Code: mcperrors.Conflict}, 200, 409, nil},
		{fmt.Errorf("canary"), 200, -32603, nil},
		{(*mcperrors.Error)(nil), 200, -32603, nil},
	} {
		s := wireServer()
		s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				if method == "tools/call" {
					return nil, c.err
				}
				return next(ctx, method, req)
			}
		})
		_, ts := serve(t, s, nil)
		res := modernPost(t, ts.URL, "tools/call", "echo", `"name":"echo"`, nil)
		body := readAll(t, res.Body)
		wantError(t, []byte(body), c.code, "1")
		if res.StatusCode != c.status || strings.Contains(body, "canary") {
			t.Errorf("%v: status %d, want %d; %s", c.err, res.StatusCode, c.status, body)
		}
		for name, value := range c.header {
			if got := res.Header.Get(name); got != value {
				t.Errorf("%v: %s is %q, want %q", c.err, name, got, value)
			}
		}
	}
}

func TestModern_PanicsAreInternalErrors(t *testing.T) {
	s := wireServer()
	object := json.RawMessage(`{"type":"object"}`)
	s.AddTool(&mcp.Tool{Name: "panic", InputSchema: object}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("canary") })
	s.AddTool(&mcp.Tool{Name: "encode", InputSchema: object}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: explosive{}}, nil
	})
	s.AddTool(&mcp.Tool{Name: "error", InputSchema: object}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, explosive{} })
	s.AddTool(&mcp.Tool{Name: "nan", InputSchema: object}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: json.RawMessage("{")}, nil
	})
	s.AddTool(&mcp.Tool{Name: "nil", InputSchema: object}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil })
	_, ts := serve(t, s, nil)
	for _, name := range []string{"panic", "encode", "error", "nan", "nil"} {
		res := modernPost(t, ts.URL, "tools/call", name, `"name":"`+name+`"`, nil)
		body := readAll(t, res.Body)
		wantError(t, []byte(body), -32603, "1")
		if res.StatusCode != http.StatusOK || strings.Contains(body, "canary") {
			t.Errorf("%s: status %d, %s", name, res.StatusCode, body)
		}
	}
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("canary") }
func (explosive) Error() string                { panic("canary") }
func (explosive) Is(error) bool                { panic("canary") }

func TestModern_ADisconnectCancelsTheHandler(t *testing.T) {
	g := newGate()
	h, ts := serve(t, newServer(g), nil)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		body := strings.Replace(call("9", "wait"), `"arguments"`, meta+`,"arguments"`, 1)
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL, strings.NewReader(body))
		req.Header = http.Header{"Content-Type": {"application/json"}, "Mcp-Protocol-Version": {modern}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"wait"}}
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-g.entered
	cancel()
	if err := <-g.cut; err == nil { // the test's deadline is the limit
		t.Error("the handler was let go")
	}
	<-gone
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestModern_LateNotificationsReachNobodyAndHurtNothing(t *testing.T) {
	s := wireServer()
	type held struct {
		ctx     context.Context
		session *mcp.ServerSession
	}
	calls := make(chan held, 1)
	s.AddTool(&mcp.Tool{Name: "hold", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		calls <- held{context.WithoutCancel(ctx), r.Session}
		return &mcp.CallToolResult{}, nil
	})
	_, ts := serve(t, s, nil)
	for range 3 {
		res := modernPost(t, ts.URL, "tools/call", "hold", `"name":"hold"`, nil)
		body := readAll(t, res.Body)
		c := <-calls
		err := c.session.NotifyProgress(c.ctx, &mcp.ProgressNotificationParams{ProgressToken: "p"})
		if err == nil || !strings.HasPrefix(body, `{"jsonrpc"`) || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("err %v, body %q", err, body)
		}
		if _, err := c.session.Elicit(c.ctx, &mcp.ElicitParams{Message: "?"}); err == nil {
			t.Error("the client was asked")
		}
		if err := c.session.Ping(c.ctx, nil); err == nil {
			t.Error("the client was pinged")
		}
		// A session that somebody closes is made again.
		_ = c.session.Close()
	}
	res := modernPost(t, ts.URL, "tools/call", "log", `"name":"log"`, nil)
	if body := readAll(t, res.Body); res.StatusCode != http.StatusOK {
		t.Errorf("status %d: %s", res.StatusCode, body)
	}
}

func TestModern_ProgressIsSentAsItIsMade(t *testing.T) {
	s := wireServer()
	more := make(chan struct{})
	s.AddTool(&mcp.Tool{Name: "slow", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i := range 3 {
			if err := r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i), Message: "a\nb"}); err != nil {
				return nil, err
			}
			<-more
		}
		return nil, &mcperrors.Error{Code: mcperrors.Unavailable}
	})
	_, ts := serve(t, s, nil)
	body := strings.Replace(`{"jsonrpc":"2.0","id":"i","method":"tools/call","params":{"name":"slow",`+meta+`}}`, `"_meta":{`, `"_meta":{"progressToken":7,`, 1)
	res := post(t, ts.URL, modern, body, routed("tools/call", "slow"))
	lines := bufio.NewScanner(res.Body)
	event := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		t.Fatal("the stream ended")
		return ""
	}
	for i := range 3 {
		wantJSON(t, event(), fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":%d,"message":"a\nb"}}`, i))
		more <- struct{}{}
	}
	wantError(t, []byte(event()), 503, `"i"`)
}

func TestModern_SharedResultsAreNotChanged(t *testing.T) {
	shared := &mcp.CallToolResult{Meta: mcp.Meta{"k": "v"}, Content: []mcp.Content{&mcp.TextContent{Text: "x"}}}
	list := &mcp.ListToolsResult{Tools: []*mcp.Tool{}}
	s := wireServer()
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			switch method {
			case "tools/call":
				return shared, nil
			case "tools/list":
				return list, nil
			}
			return next(ctx, method, req)
		}
	})
	h, err := transport.NewHTTPHandler(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, method := range []string{"tools/list", "resources/read", "tools/list"} {
			w := recorded(t, h, method, "test:a", `"uri":"test:a"`)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "serverInfo") {
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
		}
	}
	want := &mcp.CallToolResult{Meta: mcp.Meta{"k": "v"}, Content: []mcp.Content{&mcp.TextContent{Text: "x"}}}
	before, _ := json.Marshal(want)
	if got, _ := json.Marshal(shared); string(got) != string(before) || list.Meta != nil {
		t.Errorf("got %s and %v", got, list.Meta)
	}
}
