package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/transport"
)

// What follows holds with go-sdk v1.8.0 and is not promised by it. Whoever
// raises its version finds out here what changed.

func handler(t *testing.T, s *mcp.Server) *transport.HTTPHandler {
	t.Helper()
	h, err := transport.NewHTTPHandler(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Drain(context.WithoutCancel(t.Context())) })
	return h
}

func TestGuard_TheServerTellsItsVersionsAndNameBeforeAnyMiddleware(t *testing.T) {
	s := mcp.NewServer(&mcp.Implementation{Name: "n", Version: "v", Title: "t"}, &mcp.ServerOptions{SupportedProtocolVersions: []string{"2026-07-28", "2025-06-18"}})
	s.AddReceivingMiddleware(func(mcp.MethodHandler) mcp.MethodHandler {
		return func(_ context.Context, method string, _ mcp.Request) (mcp.Result, error) {
			t.Errorf("the middleware saw %s", method)
			return nil, context.Canceled
		}
	})
	versions, info := handler(t, s).ServerIdentity()
	if !slices.Equal(versions, []string{"2026-07-28", "2025-06-18"}) {
		t.Errorf("versions %v", versions)
	}
	wantJSON(t, info, `{"name":"n","version":"v","title":"t"}`)
}

func TestGuard_AServerOfTheLegacyEraRefusesModernCalls(t *testing.T) {
	s := mcp.NewServer(&mcp.Implementation{Name: "n", Version: "v"}, &mcp.ServerOptions{SupportedProtocolVersions: []string{"2025-06-18"}})
	w := recorded(t, handler(t, s), "tools/list", "", "")
	e := wantError(t, w.Body.Bytes(), -32022, "1")
	if w.Code != http.StatusBadRequest || e.Error.Data["requested"] != modern || fmt.Sprint(e.Error.Data["supported"]) != "[2025-06-18]" {
		t.Errorf("status %d, %v", w.Code, e.Error.Data)
	}
}

func TestGuard_IdleSessionsAnswerTheKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mcp.NewServer(&mcp.Implementation{Name: "n", Version: "v"}, &mcp.ServerOptions{KeepAlive: time.Minute})
		h, err := transport.NewHTTPHandler(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		recorded(t, h, "tools/list", "", "")
		before := slices.Collect(s.Sessions())
		<-time.After(time.Hour) // virtual
		if after := slices.Collect(s.Sessions()); len(before) == 0 || !slices.Equal(before, after) {
			t.Errorf("%d sessions became %d", len(before), len(after))
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(slices.Collect(s.Sessions())); n != 0 {
			t.Errorf("%d sessions after the drain", n)
		}
	})
}

// annotated is a tool whose argument a header repeats.
func annotated(header string) *mcp.Tool {
	return &mcp.Tool{Name: "region", InputSchema: json.RawMessage(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"` + header + `"},` +
		`"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"},"b":{"type":"boolean","x-mcp-header":"B"}}}}}`)}
}

func TestModern_ParameterHeadersSayWhatTheArgumentsSay(t *testing.T) {
	s := newServer(newGate())
	ok := func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return textResult("ran"), nil
	}
	s.AddTool(annotated("Region"), ok)
	h, ts := serve(t, s, nil)
	_ = h
	for _, c := range []struct {
		arguments string
		headers   map[string]string
		status    int
	}{
		{`{}`, nil, 200},
		{`{"region":null}`, nil, 200},
		{`{"region":"eu"}`, map[string]string{"Region": "eu"}, 200},
		{`{"region":"é"}`, map[string]string{"Region": "=?base64?w6k=?="}, 200},
		{`{"region":"é"}`, map[string]string{"Region": "=?base64?%%%?="}, 400},
		{`{"region":"eu"}`, nil, 400},
		{`{"region":"eu"}`, map[string]string{"Region": "us"}, 400},
		{`{}`, map[string]string{"Region": "eu"}, 400},
		{`{"deep":{"n":5,"b":true}}`, map[string]string{"N": "5", "B": "true"}, 200},
		{`{"deep":{"n":5,"b":true}}`, map[string]string{"N": "5", "B": "false"}, 400},
		{`{"deep":{"n":5.5}}`, map[string]string{"N": "5.5"}, 400},
		{`{"deep":{"n":{}}}`, map[string]string{"N": "5"}, 400},
	} {
		res := modernPost(t, ts.URL, "tools/call", "region", `"name":"region","arguments":`+c.arguments, func(r *http.Request) {
			for k, v := range c.headers {
				r.Header.Set("Mcp-Param-"+k, v)
			}
		})
		body := readAll(t, res.Body)
		if res.StatusCode != c.status {
			t.Errorf("%s with %v: status %d, want %d: %s", c.arguments, c.headers, res.StatusCode, c.status, body)
		}
		if c.status == 400 {
			wantError(t, []byte(body), -32020, "1")
		}
	}
}

func TestGuard_ChangedToolsAreLookedAtAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mcp.NewServer(&mcp.Implementation{Name: "n", Version: "v"}, nil)
		ok := func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return textResult("ran"), nil
		}
		s.AddTool(annotated("Region"), ok)
		h, err := transport.NewHTTPHandler(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		lists := 0
		s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				if method == "tools/list" {
					lists++
				}
				return next(ctx, method, req)
			}
		})
		status := func() int {
			return recorded(t, h, "tools/call", "region", `"name":"region","arguments":{"region":"eu"}`).Code
		}
		if got := [2]int{status(), status()}; got != [2]int{400, 400} || lists != 2 {
			t.Errorf("status %v after %d lists", got, lists)
		}
		s.AddTool(&mcp.Tool{Name: "region", InputSchema: json.RawMessage(`{"type":"object"}`)}, ok)
		<-time.After(time.Second) // virtual
		if got := [2]int{status(), status()}; got != [2]int{200, 200} || lists != 3 {
			t.Errorf("status %v after %d lists", got, lists)
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestModern_UnknownToolsAreRefusedAndNotListedForEachTime(t *testing.T) {
	s := newServer(newGate())
	lists := 0
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "tools/list" {
				lists++
			}
			return next(ctx, method, req)
		}
	})
	h := handler(t, s)
	for range 3 {
		w := recorded(t, h, "tools/call", "nosuch", `"name":"nosuch"`)
		wantError(t, w.Body.Bytes(), -32602, "1")
		if w.Code != http.StatusBadRequest {
			t.Errorf("status %d", w.Code)
		}
	}
	if lists != 1 || h.Remembered() == 0 {
		t.Errorf("%d lists, %d tools", lists, h.Remembered())
	}
}

// pipeListener accepts connections that are pipes, whose deadlines are virtual
// in a bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// bubbled serves h and sends what is written to the connection it returns.
func bubbled(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn, 1), done: make(chan struct{})}
	web := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = web.Serve(l) }()
	here, there := net.Pipe()
	l.conns <- there
	t.Cleanup(func() { _ = here.Close(); _ = web.Close(); <-served })
	return here
}

func head(length int, headers ...string) string {
	return "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nMCP-Protocol-Version: " + modern + "\r\n" +
		strings.Join(headers, "\r\n") + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", length)
}

// THREATS 7.
func TestHTTP_ASlowBodyIsCutAfter30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := bubbled(t, handler(t, newServer(newGate())))
		start := time.Now()
		go func() {
			_, _ = conn.Write([]byte(head(1000, "Mcp-Method: ping") + `{"json`))
		}()
		buf := make([]byte, 4096)
		n, _ := conn.Read(buf)
		if got := string(buf[:n]); !strings.HasPrefix(got, "HTTP/1.1 408") {
			t.Errorf("got %q", got)
		}
		if took := time.Since(start); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

// THREATS 20.
func TestModern_AClientThatDoesNotReadItsStreamIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(newGate())
		ended := make(chan time.Duration, 1)
		s.AddTool(&mcp.Tool{Name: "flood", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			start := time.Now()
			for r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Message: strings.Repeat("x", 8<<10)}) == nil {
			}
			ended <- time.Since(start)
			return textResult(""), nil
		})
		conn := bubbled(t, handler(t, s))
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"flood",` + meta + `}}`
		if _, err := conn.Write([]byte(head(len(body), "Mcp-Method: tools/call", "Mcp-Name: flood") + body)); err != nil {
			t.Fatal(err)
		}
		if took := <-ended; took < 30*time.Second || took > 31*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestModern_ADrainEndsTheResponsesOfHandlersThatIgnoreTheirContext(t *testing.T) {
	s := newServer(newGate())
	entered, leave := make(chan struct{}), make(chan struct{})
	s.AddTool(&mcp.Tool{Name: "deaf", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		close(entered)
		<-leave
		return textResult("late"), nil
	})
	h, ts := serve(t, s, nil)
	defer close(leave)
	go func() {
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Drain(ctx); err == nil || !strings.Contains(err.Error(), "cut 1 calls") {
			t.Errorf("Drain: %v", err)
		}
	}()
	res := modernPost(t, ts.URL, "tools/call", "deaf", `"name":"deaf"`, nil)
	wantError(t, []byte(readAll(t, res.Body)), 503, "1") // while the handler still runs
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, %v", res.StatusCode, res.Header)
	}
}

func TestModern_CallsLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // ends only when every goroutine has
		h, err := transport.NewHTTPHandler(wireServer(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			recorded(t, h, "tools/call", "log", `"name":"log"`)
			recorded(t, h, "server/discover", "", "")
		}
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if w := recorded(t, h, "tools/list", "", ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("after the drain: status %d", w.Code)
		}
	})
}

// THREATS 33.
func TestModern_AHiddenToolIsLikeNone(t *testing.T) {
	s := newServer(newGate())
	s.AddTool(annotated("Region"), func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return textResult("ran"), nil
	})
	hidden := false
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if p, ok := req.GetParams().(*mcp.CallToolParamsRaw); ok && (p.Name == "nosuch" || hidden && p.Name == "region") {
				return nil, mcperrors.Errorf(mcperrors.NotFound, "unknown tool")
			}
			res, err := next(ctx, method, req)
			if list, ok := res.(*mcp.ListToolsResult); ok && hidden {
				list.Tools = slices.DeleteFunc(list.Tools, func(t *mcp.Tool) bool { return t.Name == "region" })
			}
			return res, err
		}
	})
	h := handler(t, s)
	call := func(name string) string {
		w := recorded(t, h, "tools/call", name, `"name":"`+name+`","arguments":{"region":"eu"}`)
		return fmt.Sprint(w.Code, w.Header(), w.Body)
	}
	if got := call("region"); !strings.Contains(got, "-32020") {
		t.Errorf("without its header: %s", got)
	}
	hidden = true
	if got, none := call("region"), call("nosuch"); got != none || strings.Contains(got, "-32020") {
		t.Errorf("a hidden tool answers %s, none %s", got, none)
	}
}
