package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// chattyServer has tools that show what a stateless call may do.
func chattyServer(initialized func(context.Context, *mcp.InitializedRequest)) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		InitializedHandler: initialized,
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { panic("subscribed") },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { panic("unsubscribed") },
	})
	object := json.RawMessage(`{"type":"object"}`)
	s.AddTool(&mcp.Tool{Name: "log", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, level := range []mcp.LoggingLevel{"debug", "info"} {
			_ = r.Session.Log(ctx, &mcp.LoggingMessageParams{Level: level, Data: string(r.Params.Arguments)})
		}
		return textResult(r.Session.ID() + r.Session.InitializeParams().ProtocolVersion), nil
	})
	s.AddTool(&mcp.Tool{Name: "ask", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		_, elicited := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "sure?"})
		_, sampled := r.Session.CreateMessage(ctx, &mcp.CreateMessageParams{MaxTokens: 1})
		_, listed := r.Session.ListRoots(ctx, nil)
		return textResult(fmt.Sprint(elicited, ";", sampled, ";", listed, ";", r.Session.Ping(ctx, nil))), nil
	})
	s.AddTool(&mcp.Tool{Name: "close", InputSchema: object}, func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		go func() { _ = r.Session.Close() }()
		return textResult("closed"), nil
	})
	return s
}

func at(version string) func(*http.Request) { return header("Mcp-Protocol-Version", version) }

func TestStateless_Wire(t *testing.T) {
	told := make(chan string, 1)
	h := newHandler(t, chattyServer(func(_ context.Context, r *mcp.InitializedRequest) { told <- r.Session.ID() }), &transport.Options{
		Stateless: true, SessionOpened: func(*mcp.ServerSession) { t.Error("a session was opened") },
	})
	result := func(text string) string {
		return `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + text + `"}]}}`
	}
	for _, c := range []struct {
		name, body string
		alter      func(*http.Request)
		status     int
		want       string // "" for nothing, and parts of an answer otherwise
	}{
		{"initialize", initialize(), nil, 200, `"protocolVersion":"2025-11-25"`},
		{"initialize that brings a session id", initialize(), header("Mcp-Session-Id", "made-up"), 200, `"serverInfo"`},
		{"bad initialize", `{"jsonrpc":"2.0","id":0,"method":"initialize"}`, nil, 200, `"error"`},
		{"initialize as a notification", `{"jsonrpc":"2.0","method":"initialize","params":{}}`, nil, 400, `-32600`},
		{"initialized", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, at(legacy), 202, ""},
		{"call", call("1", "log"), at(legacy), 200, result(legacy)},
		{"call of no version", call("1", "log"), nil, 200, result("2025-03-26")},
		{"call of a made-up session", call("1", "log"), header("Mcp-Session-Id", "made-up"), 200, result("2025-03-26")},
		{"call of an unknown version", call("1", "log"), at("1999-01-01"), 400, `-32600`},
		{"two session ids", call("1", "log"), func(r *http.Request) { r.Header["Mcp-Session-Id"] = []string{"a", "b"} }, 400, `-32600`},
		{"asks", call("1", "ask"), at(legacy), 200, result("client does not support elicitation;" +
			"calling \\\"sampling/createMessage\\\": this server keeps no sessions, so it cannot ask its client: sampling/createMessage;" +
			"calling \\\"roots/list\\\": this server keeps no sessions, so it cannot ask its client: roots/list;" +
			"calling \\\"ping\\\": this server keeps no sessions, so it cannot ask its client: ping")},
		{"ping", `{"jsonrpc":"2.0","id":"p","method":"ping"}`, at(legacy), 200, `{"jsonrpc":"2.0","id":"p","result":{}}`},
		{"set level", `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"emergency"}}`, at(legacy), 200, `{"jsonrpc":"2.0","id":2,"result":{}}`},
		{"log after set level", call("1", "log"), at(legacy), 200, `"level":"info"`},
		{"subscribe", `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"test:a"}}`, at(legacy), 200, `-32601,"message":"this server keeps no sessions, so it cannot send updates of resources"`},
		{"unsubscribe", `{"jsonrpc":"2.0","id":2,"method":"resources/unsubscribe","params":{"uri":"test:a"}}`, at(legacy), 200, `-32601`},
		{"unknown method", `{"jsonrpc":"2.0","id":2,"method":"no/such"}`, at(legacy), 400, `-32601`},
		{"answer", `{"jsonrpc":"2.0","id":1,"result":{}}`, at(legacy), 202, ""},
		{"cancelled", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, at(legacy), 202, ""},
		{"batch", `[` + call("1", "close") + `,` + call("2", "close") + `]`, at("2025-03-26"), 200, `"id":2`},
		{"call after somebody closed the session", call("1", "log"), nil, 200, result("2025-03-26")},
		{"batch that is too long", `[` + strings.Repeat(call("1", "log")+`,`, 32) + call("1", "log") + `]`, at("2025-03-26"), 400, `-32600`},
		{"batch of 2025-11-25", `[` + call("1", "log") + `]`, at(legacy), 400, `-32600`},
		{"GET", "", withMethod(http.MethodGet), 405, `-32600`},
		{"DELETE", "", withMethod(http.MethodDelete), 405, `-32600`},
	} {
		w := play(t, h, "", c.body, c.alter)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || (c.want == "" && w.Body.Len() > 0) || w.Header().Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: %d %v %s", c.name, w.Code, w.Header(), w.Body)
		}
		if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %v", c.name, w.Header())
		}
	}
	if id := <-told; id != "" {
		t.Errorf("the initialized handler was told of session %q", id)
	}
}

func TestStateless_ASessionStoreIsAMistake(t *testing.T) {
	_, err := transport.NewHTTPHandler(newServer(newGate()), &transport.Options{Stateless: true, SessionStore: transport.NewMemorySessionStore(0)})
	if err == nil || !strings.Contains(err.Error(), "SessionStore") {
		t.Error(err)
	}
}

func TestStateless_ABatchHasItsOwnLevel(t *testing.T) {
	h := newHandler(t, chattyServer(nil), &transport.Options{Stateless: true})
	set := `{"jsonrpc":"2.0","id":9,"method":"logging/setLevel","params":{"level":"debug"}}`
	for range 2 {
		play(t, h, "", "["+set+"]", nil)
		w := play(t, h, "", call("1", "log"), nil)
		if strings.Contains(w.Body.String(), "debug") || strings.Count(w.Body.String(), `"info"`) != 1 {
			t.Errorf("another request's level counts: %s", w.Body)
		}
	}
}

func TestStateless_WhatACallSendsBelongsToItAlone(t *testing.T) {
	s := chattyServer(nil)
	_, ts := serve(t, s, &transport.Options{Stateless: true})
	before := count(s)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 20 {
				mark := fmt.Sprintf("<%d.%d>", i, j)
				// Every caller has the same id.
				got := readAll(t, post(t, ts.URL, legacy, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"log","arguments":{"m":"`+mark+`"}}}`, nil).Body)
				mark = strings.NewReplacer("<", `\\u003c`, ">", `\\u003e`).Replace(mark)
				if strings.Count(got, "notifications/message") != 1 || strings.Count(got, `"id":1,"result"`) != 1 || (!strings.Contains(got, mark) && !strings.Contains(got, fmt.Sprintf("<%d.%d>", i, j))) {
					t.Errorf("%s: %s", mark, got)
				}
			}
		})
	}
	all.Wait()
	if n := count(s); n > before+1 {
		t.Errorf("%d sessions for calls of one version", n)
	}
}

func TestStateless_ASharedSessionThatSomebodyClosedIsReplaced(t *testing.T) {
	s := chattyServer(nil)
	h := newHandler(t, s, &transport.Options{Stateless: true})
	for range 3 {
		w := play(t, h, "", call("1", "log"), nil)
		if !strings.Contains(w.Body.String(), "notifications/message") {
			t.Errorf("the call cannot speak: %s", w.Body)
		}
		for ss := range s.Sessions() {
			_ = ss.Close()
		}
	}
}

func TestStateless_InitializeLeavesNothing(t *testing.T) {
	s := newServer(newGate())
	h := newHandler(t, s, &transport.Options{Stateless: true})
	before := runtime.NumGoroutine()
	for range 50 {
		play(t, h, "", initialize(), nil)
		play(t, h, "", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil)
		play(t, h, "", `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}`, nil)
	}
	for deadline := time.Now().Add(5 * time.Second); count(s) > 0 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond) // they end on goroutines of their own
	}
	if n := count(s); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	settled(t, before)
}

func TestStateless_ADrainWaitsForCallsAndRefusesMore(t *testing.T) {
	g := newGate()
	s := newServer(g)
	h, ts := serve(t, s, &transport.Options{Stateless: true})
	answer := make(chan string, 1)
	go func() { answer <- readAll(t, post(t, ts.URL, legacy, call("1", "wait"), nil).Body) }()
	<-g.entered
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(t.Context()) }()
	for {
		res := post(t, ts.URL, legacy, call("2", "echo"), nil)
		if readAll(t, res.Body); res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "1" {
			break
		}
	}
	if res := post(t, ts.URL, "", initialize(), nil); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("initialize: %d", res.StatusCode)
	}
	close(g.leave)
	if got := <-answer; !strings.Contains(got, "done") {
		t.Errorf("the running call got %s", got)
	}
	if err := <-drained; err != nil || count(s) != 0 {
		t.Errorf("%v, and %d sessions are left", err, count(s))
	}
	if w := play(t, h, "", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after the drain: %d", w.Code)
	}
}

func TestStateless_TheSDKsClientIsServedByAnyReplica(t *testing.T) {
	_, a := serve(t, newServer(newGate()), &transport.Options{Stateless: true})
	_, b := serve(t, newServer(newGate()), &transport.Options{Stateless: true})
	turn := 0
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if turn++; turn%2 == 0 {
			r.URL.Host = strings.TrimPrefix(b.URL, "http://")
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	cs := connect(t, &mcp.StreamableClientTransport{Endpoint: a.URL, HTTPClient: client, DisableStandaloneSSE: true}, legacy, nil)
	for range 5 {
		if _, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo"}); err != nil {
			t.Fatal(err)
		}
	}
	if cs.ID() != "" {
		t.Errorf("the client has session %q", cs.ID())
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestStateless_TheServersKeepAliveFindsTheSharedSessionAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{KeepAlive: time.Second})
		h := newHandler(t, s, &transport.Options{Stateless: true})
		play(t, h, "", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, nil)
		first := slices.Collect(s.Sessions())
		<-time.After(time.Minute)
		if now := slices.Collect(s.Sessions()); len(first) != 1 || !slices.Equal(first, now) {
			t.Errorf("%v, a minute later %v", first, now)
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStateless_AChangedListIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		h := newHandler(t, s, &transport.Options{Stateless: true})
		play(t, h, "", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, nil)
		s.AddPrompt(&mcp.Prompt{Name: "p"}, nil)
		<-time.After(time.Second)
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("go-sdk warns: %s", &log)
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkLegacy_StatelessCall(b *testing.B) {
	ours, err := transport.NewHTTPHandler(addServer(), &transport.Options{Stateless: true})
	if err != nil {
		b.Fatal(err)
	}
	server := addServer()
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	for name, h := range map[string]http.Handler{"ours": ours, "sdk": sdk} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := once(b, h, "POST", "", add); !strings.Contains(w.Body.String(), `{"sum":3}`) {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}

// BenchmarkLegacy_CallInASession shows what a SessionStore adds to a call.
func BenchmarkLegacy_CallInASession(b *testing.B) {
	for name, store := range map[string]transport.SessionStore{"alone": nil, "store": transport.NewMemorySessionStore(0)} {
		h, err := transport.NewHTTPHandler(addServer(), &transport.Options{SessionStore: store})
		if err != nil {
			b.Fatal(err)
		}
		id := once(b, h, "POST", "", initialize()).Header().Get("Mcp-Session-Id")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				once(b, h, "POST", id, add)
			}
		})
	}
}

const add = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}`
