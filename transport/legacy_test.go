package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// play sends one message without a network and returns the answer.
func play(t *testing.T, h http.Handler, session, body string, alter func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	if alter != nil {
		alter(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func newHandler(t *testing.T, s *mcp.Server, opts *transport.Options) *transport.HTTPHandler {
	t.Helper()
	h, err := transport.NewHTTPHandler(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel()
		_ = h.Drain(ctx)
	})
	return h
}

func TestLegacy_Wire(t *testing.T) {
	s := newServer(newGate())
	s.AddTool(&mcp.Tool{Name: "panic", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("CANARY") })
	h := newHandler(t, s, nil)
	session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
	for _, c := range []struct {
		name, body string
		alter      func(*http.Request)
		status     int
		kind, want string
	}{
		{"initialized", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, "", ""},
		{"call", call("1", "echo"), nil, 200, "application/json", `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{}"}]}}`},
		{"ping", `{"jsonrpc":"2.0","id":"p","method":"ping"}`, nil, 200, "application/json", `{"jsonrpc":"2.0","id":"p","result":{}}`},
		{"set level", `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"info"}}`, nil, 200, "application/json", `{"jsonrpc":"2.0","id":2,"result":{}}`},
		{"batch", `[` + call("1", "echo") + `,{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}]`, header("Mcp-Protocol-Version", "2025-03-26"), 200, "application/json", `[{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{}"}]}}]`},
		{"batch of notifications", `[{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}]`, header("Mcp-Protocol-Version", "2025-03-26"), 202, "", ""},
		{"batch of the session's version", `[` + call("1", "echo") + `]`, nil, 400, "application/json", ""},
		{"panic", call("1", "panic"), nil, 200, "application/json", ""},
		{"second initialize", initialize(), nil, 400, "application/json", ""},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, nil, 200, "application/json", ""},
	} {
		w := play(t, h, session, c.body, c.alter)
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || (c.want != "" && w.Body.String() != c.want) || strings.Contains(w.Body.String(), "CANARY") {
			t.Errorf("%s: %d %v %s", c.name, w.Code, w.Header(), w.Body)
		}
	}
}

func TestLegacy_ClientsThatListEventStreamsFirstGetOne(t *testing.T) {
	h := newHandler(t, newServer(newGate()), nil)
	session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
	w := play(t, h, session, call("1", "echo"), header("Accept", "text/event-stream, application/json"))
	events := strings.Split(w.Body.String(), "\n\n")
	id, _, _ := strings.Cut(strings.TrimPrefix(events[0], "event: prime\nid: "), "_0\n")
	want := "event: prime\nid: " + id + "_0\ndata: \n\nevent: message\nid: " + id + `_1` + "\ndata: " +
		`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{}"}]}}` + "\n\n"
	if w.Header().Get("Content-Type") != "text/event-stream" || w.Body.String() != want {
		t.Errorf("%v %q, want %q", w.Header(), w.Body, want)
	}
}

func TestLegacy_Threat18_AFailedInitializeLeavesNothing(t *testing.T) {
	s := newServer(newGate())
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "initialize" {
				panic("no")
			}
			return next(ctx, method, req)
		}
	})
	h := newHandler(t, s, &transport.Options{MaxSessions: 1})
	for range 3 {
		w := play(t, h, "", initialize(), nil)
		if w.Header().Get("Mcp-Session-Id") != "" || !strings.Contains(w.Body.String(), "-32603") {
			t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		for count(s) > 0 {
			<-time.After(time.Millisecond)
		}
	}
}

func TestLegacy_Threat19_SessionsAreCapped(t *testing.T) {
	ends := make(chan transport.SessionEnd, 8)
	h := newHandler(t, newServer(newGate()), &transport.Options{
		MaxSessions: 3, MaxSessionsPerPrincipal: 1, Principal: whoFrom,
		SessionClosed: func(_ *mcp.ServerSession, why transport.SessionEnd) { ends <- why },
	})
	as := func(name string) *httptest.ResponseRecorder {
		return play(t, who(h), "", initialize(), header("X-Who", name))
	}
	first := as("alice")
	for _, c := range []struct {
		who  string
		full bool
	}{{"alice", true}, {"", false}, {"", false}, {"bob", true}, {"", true}} {
		w := as(c.who)
		if full := w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "5"; full != c.full {
			t.Errorf("%q: %d %v", c.who, w.Code, w.Header())
		}
	}
	w := play(t, who(h), first.Header().Get("Mcp-Session-Id"), "", func(r *http.Request) { r.Method = "DELETE"; r.Header.Set("X-Who", "alice") })
	if w.Code != http.StatusNoContent || <-ends != transport.SessionDeleted || as("bob").Code != http.StatusOK {
		t.Errorf("no room after DELETE: %d", w.Code)
	}
}

func TestLegacy_Threat19_AnOpenStreamKeepsTheSessionAndComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(newGate())
		h := newHandler(t, s, nil)
		session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan string)
		go func() {
			w := play(t, h, session, "", func(r *http.Request) { *r = *r.WithContext(ctx); r.Method = http.MethodGet })
			done <- w.Body.String()
		}()
		<-time.After(time.Hour)
		if count(s) != 1 {
			t.Error("the session ended")
		}
		leave()
		if got := strings.Count(<-done, ": keep-alive\n\n"); got != 143 && got != 144 {
			t.Errorf("%d comments in an hour", got)
		}
		<-time.After(5*time.Minute + time.Second)
		synctest.Wait()
		if count(s) != 0 {
			t.Error("the session did not end")
		}
	})
}

func TestLegacy_Threat20_StreamsAreBounded(t *testing.T) {
	g := newGate()
	_, ts := serve(t, newServer(g), &transport.Options{MaxSessionStreams: 2})
	session := open(t, ts.URL, nil)
	_, stream := get(t, ts.URL, session, "")
	if res, _ := get(t, ts.URL, session, ""); res.StatusCode != http.StatusConflict {
		t.Errorf("a second GET: %d", res.StatusCode)
	}
	answer := waitCall(t, ts.URL, legacy, session, g)
	if res := post(t, ts.URL, legacy, call("2", "echo"), inSession(session)); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "1" {
		t.Errorf("beyond the limit: %d", res.StatusCode)
	}
	close(g.leave)
	<-answer
	_ = stream
}

func TestLegacy_Threat20_AStreamEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, newServer(newGate()), nil)
		verify := func(context.Context, string, *http.Request) (*auth.TokenInfo, error) {
			return &auth.TokenInfo{UserID: "u", Expiration: time.Now().Add(time.Minute)}, nil
		}
		guarded := auth.RequireBearerToken(verify, nil)(h)
		token := func(r *http.Request) { r.Header.Set("Authorization", "Bearer t") }
		session := play(t, guarded, "", initialize(), token).Header().Get("Mcp-Session-Id")
		began := time.Now()
		w := play(t, guarded, session, "", func(r *http.Request) { token(r); r.Method = http.MethodGet })
		if took := time.Since(began); w.Code != http.StatusOK || took < time.Minute || took > 90*time.Second {
			t.Errorf("%d after %v", w.Code, took)
		}
	})
}

func TestLegacy_Threat21_AClientThatCannotIsNotAsked(t *testing.T) {
	s := newServer(newGate())
	failed := make(chan error, 2)
	s.AddTool(&mcp.Tool{Name: "sample", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		_, err := r.Session.CreateMessage(ctx, &mcp.CreateMessageParams{MaxTokens: 1})
		failed <- err
		_, err = r.Session.ListRoots(ctx, nil)
		failed <- err
		return textResult("done"), nil
	})
	h := newHandler(t, s, nil)
	session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
	w := play(t, h, session, call("1", "sample"), nil)
	for range 2 {
		if err := <-failed; err == nil || !strings.Contains(err.Error(), "does not support") {
			t.Error(err)
		}
	}
	if !strings.Contains(w.Body.String(), "done") {
		t.Error("the session is broken")
	}
}

func TestLegacy_Threat43_ACallWhoseHandlerIgnoresTheDrainIsAnswered(t *testing.T) {
	s := newServer(newGate())
	entered, leave := make(chan struct{}), make(chan struct{})
	s.AddTool(&mcp.Tool{Name: "deaf", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		close(entered)
		<-leave
		return textResult(""), nil
	})
	h, ts := serve(t, s, nil)
	defer close(leave)
	session := open(t, ts.URL, nil)
	answer := make(chan string, 1)
	go func() { answer <- readAll(t, post(t, ts.URL, legacy, call("1", "deaf"), inSession(session)).Body) }()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Drain(ctx); err == nil || !strings.Contains(err.Error(), "cut 1 calls") {
		t.Error(err)
	}
	if got := <-answer; !strings.Contains(got, `"id":1,"error":{"code":503`) {
		t.Errorf("answer %q", got)
	}
	if err := ts.Config.Shutdown(t.Context()); err != nil { // the handler still runs
		t.Error(err)
	}
}

func TestLegacy_APolledAnswerIsFetchedLater(t *testing.T) {
	s := newServer(newGate())
	leave := make(chan struct{})
	s.AddTool(&mcp.Tool{Name: "poll", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		r.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 50 * time.Millisecond})
		<-leave
		return textResult("late"), nil
	})
	_, ts := serve(t, s, nil)
	session := open(t, ts.URL, nil)
	res := post(t, ts.URL, legacy, call("1", "poll"), inSession(session))
	body := readAll(t, res.Body) // ends before the call does
	id, _, _ := strings.Cut(strings.TrimPrefix(body, "event: prime\nid: "), "\n")
	if want := "event: prime\nid: " + id + "\ndata: \n\nevent: close\nretry: 50\ndata: \n\n"; body != want {
		t.Fatalf("%q, want %q", body, want)
	}
	_, stream := get(t, ts.URL, session, id)
	close(leave)
	if got := readAll(t, stream); !strings.Contains(got, "_1\ndata: ") || !strings.Contains(got, "late") {
		t.Errorf("fetched %q", got)
	}
	_, again := get(t, ts.URL, session, id) // the answer is kept
	dataLine(t, again, "late")
}

func TestLegacy_StandaloneNotificationsArriveOnceAndCanBeReplayed(t *testing.T) {
	s := newServer(newGate())
	_, ts := serve(t, s, nil)
	session := open(t, ts.URL, nil)
	for ss := range s.Sessions() {
		_ = ss.NotifyProgress(t.Context(), &mcp.ProgressNotificationParams{ProgressToken: "before"})
	}
	ctx, cut := context.WithCancel(t.Context())
	res := post(t, ts.URL, legacy, "", func(r *http.Request) {
		*r = *r.WithContext(ctx)
		inSession(session)(r)
		r.Method = http.MethodGet
	})
	dataLine(t, bufio.NewReader(res.Body), "before")
	cut()
	for {
		res, stream := get(t, ts.URL, session, "_0")
		if res.StatusCode == http.StatusConflict {
			continue
		}
		for ss := range s.Sessions() {
			_ = ss.NotifyProgress(t.Context(), &mcp.ProgressNotificationParams{ProgressToken: "after"})
		}
		if got := dataLine(t, stream, "progress"); !strings.Contains(got, "after") {
			t.Errorf("the first event after _0 is %s", got)
		}
		return
	}
}
