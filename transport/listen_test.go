package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/transport"
)

func addTool(s *mcp.Server, name string) {
	s.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult(""), nil })
}

func addPrompt(s *mcp.Server, name string) {
	s.AddPrompt(&mcp.Prompt{Name: name}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{}, nil
	})
}

func TestListen_GoldenSession(t *testing.T) {
	s := listenServer()
	h, ts := serve(t, s, nil)
	l := openListen(t, ts.URL, `"a\/b"`, `{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["test:a","test:b"]}`, nil)
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff", "Content-Length": "",
	} {
		if got := l.res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	const id = `"_meta":{"io.modelcontextprotocol/subscriptionId":"a\/b"`
	for i, step := range []struct {
		cause func()
		want  string
	}{
		{func() {}, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{` + id + `},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["test:a","test:b"]}}}`},
		{func() { resourceUpdated(t, s, "test:b", 1, "\n") }, `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{` + id + `,"more":"\n","n":1},"uri":"test:b"}}`},
		{func() { addTool(s, "t") }, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + id + `}}}`},
		{func() { s.RemoveTools("t") }, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + id + `}}}`},
		{func() { go func() { _ = h.Drain(t.Context()) }() }, `{"jsonrpc":"2.0","id":"a\/b","result":{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"test","version":"1"},` + id[9:] + `},"resultType":"complete"}}`},
	} {
		step.cause()
		var event strings.Builder
		for !strings.HasSuffix(event.String(), "\n\n") {
			line, err := l.lines.ReadString('\n')
			if err != nil {
				t.Fatalf("step %d: %v after %q", i, err, event.String())
			}
			event.WriteString(line)
		}
		if want := "event: message\ndata: " + step.want + "\n\n"; event.String() != want {
			t.Errorf("step %d:\n%s, want\n%s", i, event.String(), want)
		}
	}
	if rest := readAll(t, l.lines); rest != "" {
		t.Errorf("after the result: %q", rest)
	}
}

func TestListen_TheIDIsSpelledAsTheClientDoes(t *testing.T) {
	_, ts := serve(t, listenServer(), nil)
	for _, id := range []string{`0`, `-0`, `-7`, `9007199254740991`, `""`, `"1"`, `"é"`, `"\u00e9"`, `"\u003c"`, `"<&>"`, `"a\/b"`, `"\ud83d\ude00"`} {
		l := openListen(t, ts.URL, id, `{}`, nil)
		got := strings.Split(strings.TrimSpace(readAll(t, l.lines)), "\n\n")
		want := `"io.modelcontextprotocol/subscriptionId":` + id + `}`
		if len(got) != 2 || !strings.Contains(got[0], want) || !strings.Contains(got[1], want) || !strings.Contains(got[1], `{"jsonrpc":"2.0","id":`+id+`,`) {
			t.Errorf("id %s: %q", id, got)
		}
	}
}

func TestListen_OnlyWhatTheFilterAdmitsArrives(t *testing.T) {
	s := listenServer()
	_, ts := serve(t, s, nil)
	prompts, resource := acked(t, ts.URL, `{"promptsListChanged":true}`, nil), acked(t, ts.URL, `{"resourceSubscriptions":["test:b"]}`, nil)
	all := acked(t, ts.URL, `{"toolsListChanged":true,"resourcesListChanged":true,"promptsListChanged":true}`, nil)
	addTool(s, "t")
	if got := all.next(t); !strings.Contains(got, "tools/list_changed") {
		t.Errorf("got %s", got)
	}
	s.AddResource(&mcp.Resource{Name: "a", URI: "test:a"}, nil)
	if got := all.next(t); !strings.Contains(got, "resources/list_changed") {
		t.Errorf("got %s", got)
	}
	resourceUpdated(t, s, "test:a", 1, "")
	resourceUpdated(t, s, "test:b", 2, "")
	addPrompt(s, "p")
	for l, want := range map[*listener]string{prompts: "prompts/list_changed", resource: `"uri":"test:b"`, all: "prompts/list_changed"} {
		if got := l.next(t); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestListen_WhatTheServerDoesNotTellIsNotAcknowledged(t *testing.T) {
	s := newServer(newGate()) // has tools that change and resources without subscriptions
	_, ts := serve(t, s, nil)
	l := openListen(t, ts.URL, `1`, `{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["test:a"]}`, nil)
	wantJSON(t, l.next(t), `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}`)
}

func TestListen_TheAcknowledgementIsFirstWhenAChangeOvertakesIt(t *testing.T) {
	var s *mcp.Server
	sent := make(chan struct{})
	s = mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{ListChanged: true}},
		SubscribeHandler: func(context.Context, *mcp.SubscribeRequest) error {
			addTool(s, "t") // go-sdk tells the subscriber of tools already
			<-sent
			return nil
		},
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	var once sync.Once
	s.AddSendingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			if p, ok := req.GetParams().(*mcp.ToolListChangedParams); ok && p.Meta != nil {
				once.Do(func() { close(sent) })
			}
			return res, err
		}
	})
	s.AddResource(&mcp.Resource{Name: "a", URI: "test:a"}, nil)
	_, ts := serve(t, s, nil)
	l := acked(t, ts.URL, `{"toolsListChanged":true,"resourceSubscriptions":["test:a"]}`, nil)
	if got := l.next(t); !strings.Contains(got, "tools/list_changed") {
		t.Errorf("got %s", got)
	}
}

// meddle calls f for subscriptions.
func meddle(s *mcp.Server, f func(ctx context.Context, req mcp.Request, next mcp.MethodHandler) (mcp.Result, error)) {
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "subscriptions/listen" {
				return f(ctx, req, next)
			}
			return next(ctx, method, req)
		}
	})
}

func TestListen_RefusalsOfMiddlewareBecomeStatuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error // nil: a panic
		status int
		code   int64
		header map[string]string
	}{
		{"rate limited", &mcperrors.Error{Code: mcperrors.RateLimited, RetryAfter: 1500 * time.Millisecond}, 429, 429, map[string]string{"Retry-After": "2"}},
		{"unavailable", fmt.Errorf("canary: %w", &mcperrors.Error{Code: mcperrors.Unavailable, RetryAfter: time.Second}), 503, 503, map[string]string{"Retry-After": "1"}},
		{"unauthenticated", &mcperrors.Error{Code: mcperrors.Unauthenticated}, 401, 401, map[string]string{"WWW-Authenticate": `Bearer realm="mcp"`}},
		{"forbidden", &mcperrors.Error{Code: mcperrors.Authorization}, 403, 403, nil},
		{"without a code", fmt.Errorf("canary"), 200, -32603, nil},
		{"panic", nil, 200, -32603, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := listenServer()
			meddle(s, func(context.Context, mcp.Request, mcp.MethodHandler) (mcp.Result, error) {
				if c.err == nil {
					panic("canary")
				}
				return nil, c.err
			})
			_, ts := serve(t, s, nil)
			l := openListen(t, ts.URL, `"x"`, `{"toolsListChanged":true}`, nil)
			body := readAll(t, l.lines)
			wantError(t, []byte(body), c.code, `"x"`)
			if l.res.StatusCode != c.status || l.res.Header.Get("Content-Type") != "application/json" || strings.Contains(body, "canary") {
				t.Errorf("status %d, %v: %s", l.res.StatusCode, l.res.Header, body)
			}
			for name, value := range c.header {
				if got := l.res.Header.Get(name); got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
		})
	}
}

func TestListen_AnErrorAfterTheAcknowledgementEndsTheStream(t *testing.T) {
	s := listenServer()
	meddle(s, func(ctx context.Context, req mcp.Request, next mcp.MethodHandler) (mcp.Result, error) {
		if _, err := next(ctx, "subscriptions/listen", req); err != nil {
			return nil, err
		}
		return nil, &mcperrors.Error{Code: mcperrors.Conflict}
	})
	_, ts := serve(t, s, nil)
	l := acked(t, ts.URL, `{}`, nil)
	wantError(t, []byte(l.next(t)), 409, `"l"`)
	if rest := strings.TrimSpace(readAll(t, l.lines)); rest != "" {
		t.Errorf("then %q", rest)
	}
}

func TestListen_AMiddlewareMayAnswer(t *testing.T) {
	s := listenServer()
	meddle(s, func(context.Context, mcp.Request, mcp.MethodHandler) (mcp.Result, error) {
		return &mcp.SubscriptionsListenResult{Meta: mcp.Meta{"k": "v"}}, nil
	})
	_, ts := serve(t, s, nil)
	l := openListen(t, ts.URL, `1`, `{"toolsListChanged":true}`, nil)
	wantJSON(t, l.next(t), `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","_meta":{"k":"v",`+signed[9:]+`}}`)
}

func TestListen_MiddlewareSeesItOnceAndWhole(t *testing.T) {
	s := listenServer()
	var mu sync.Mutex
	var seen []string
	watch := func(name string) {
		s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				extra := req.GetExtra()
				p, _ := req.GetParams().(*mcp.SubscriptionsListenParams)
				mu.Lock()
				seen = append(seen, fmt.Sprint(name, " ", method, " ", whoFrom(ctx), " ", auth.TokenInfoFromContext(ctx).UserID, " ",
					extra.TokenInfo.UserID, " ", extra.Header.Get("X-Who"), " ", p.Notifications.ToolsListChanged))
				mu.Unlock()
				return next(ctx, method, req)
			}
		})
	}
	watch("early")
	h, err := transport.NewHTTPHandler(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	watch("late")
	url := newTestServer(t, h, tokens(time.Now().Add(time.Hour))(who(h)))
	l := acked(t, url, `{"toolsListChanged":true}`, func(r *http.Request) {
		r.Header.Set("X-Who", "ann")
		r.Header.Set("Authorization", "Bearer user")
	})
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	readAll(t, l.lines)
	want := []string{"late subscriptions/listen ann user user ann true", "early subscriptions/listen ann user user ann true"}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
}

// tokens takes any token for the name of a user, until it expires.
func tokens(expires time.Time) func(http.Handler) http.Handler {
	return auth.RequireBearerToken(func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		return &auth.TokenInfo{UserID: token, Expiration: expires}, nil
	}, nil)
}

func TestListen_BadRequestsAreRefused(t *testing.T) {
	s := listenServer()
	_, ts := serve(t, s, nil)
	before := sessions(s)
	for params, code := range map[string]int64{
		meta: -32602, `"notifications":5,` + meta: -32602, `"notifications":null,` + meta: -32602, `"notifications":{"toolsListChanged":"yes"},` + meta: -32602,
		`"notifications":{"resourceSubscriptions":["a\u0001"]},` + meta:                       -32602,
		`"notifications":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`: -32602,
	} {
		res := post(t, ts.URL, modern, `{"jsonrpc":"2.0","id":"x","method":"subscriptions/listen","params":{`+params+`}}`, routed("subscriptions/listen", ""))
		wantError(t, []byte(readAll(t, res.Body)), code, `"x"`)
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", params, res.StatusCode)
		}
	}
	eventually(t, "the sessions of refused requests are gone", func() bool { return sessions(s) <= before+1 }) // and the watching one
}

func TestListen_TheSDKsOwnClientIsTold(t *testing.T) {
	s := listenServer()
	open := make(chan struct{}, 8)
	s.AddSendingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "notifications/subscriptions/acknowledged" {
				defer func() { open <- struct{}{} }()
			}
			return next(ctx, method, req)
		}
	})
	_, ts := serve(t, s, nil)
	changed, updated := make(chan struct{}, 8), make(chan string, 8)
	cs := connect(t, &mcp.StreamableClientTransport{Endpoint: ts.URL}, modern, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- struct{}{} },
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) { updated <- r.Params.URI },
	})
	if err := cs.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "test:a"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // go-sdk's client opens one for lists, too
		<-open
	}
	addTool(s, "t")
	resourceUpdated(t, s, "test:a", 0, "")
	<-changed
	if uri := <-updated; uri != "test:a" {
		t.Errorf("updated %q", uri)
	}
}
