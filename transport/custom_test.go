package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/watchdog"
	"github.com/trestle-mcp/trestle/transport"
)

type acmeParams struct {
	mcp.ParamsBase
	Query string `json:"query"`
}

type acmeResult struct {
	mcp.ResultBase
	Hits []string `json:"hits"`
	Bad  *bomb    `json:"bad,omitempty"`
}

type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("canary") }

// addCustom adds the method acme/search. Its query says how it goes.
func addCustom(t *testing.T, s *mcp.Server, g *gate) {
	t.Helper()
	if err := mcp.AddReceivingCustomMethod(s, "acme/search", func(ctx context.Context, ss *mcp.ServerSession, p *acmeParams) (*acmeResult, error) {
		switch p.Query {
		case "limited":
			return nil, &mcperrors.Error{Code: mcperrors.RateLimited, RetryAfter: 3e9}
		case "panic":
			panic("canary")
		case "bomb":
			return &acmeResult{Bad: &bomb{}}, nil
		case "progress":
			if err := ss.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Progress: 1}); err != nil {
				return nil, err
			}
			_, asked := ss.Elicit(ctx, &mcp.ElicitParams{Message: "?"})
			stray := ss.NotifyProgress(t.Context(), &mcp.ProgressNotificationParams{ProgressToken: "q"})
			if asked == nil || stray == nil {
				return nil, fmt.Errorf("sent: %w, %w", asked, stray)
			}
		case "wait":
			g.entered <- struct{}{}
			select {
			case <-g.leave:
			case <-ctx.Done():
				g.cut <- ctx.Err()
			}
		case "hang":
			watchdog.From(ctx).Answer(nil, mcperrors.Errorf(mcperrors.Timeout, "too slow").Wire("acme/search", modern))
			<-g.leave
		}
		return &acmeResult{Hits: []string{p.Query, whoFrom(ctx)}}, nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestModern_CustomMethodsAreServedLikeOthers(t *testing.T) {
	g := newGate()
	s := newServer(g)
	addCustom(t, s, g)
	var mu sync.Mutex
	var seen []string
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if strings.HasPrefix(method, "acme/") {
				mu.Lock()
				seen = append(seen, method+" "+whoFrom(ctx)+" "+req.GetExtra().Header.Get("X-Who"))
				mu.Unlock()
			}
			return next(ctx, method, req)
		}
	})
	h, err := transport.NewHTTPHandler(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	url := newTestServer(t, h, who(h))
	call := func(query string) (*http.Response, string) {
		res := modernPost(t, url, "acme/search", "", `"query":"`+query+`"`, as("ann"))
		return res, readAll(t, res.Body)
	}
	before := sessions(s)

	res, body := call("x")
	wantJSON(t, body, `{"jsonrpc":"2.0","id":1,"result":{"hits":["x","ann"],"resultType":"complete",`+signed+`}}`)
	if res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", res.Header)
	}
	if mu.Lock(); !slices.Equal(seen, []string{"acme/search ann ann"}) {
		t.Errorf("seen %q", seen)
	}
	mu.Unlock()

	res, body = call("progress")
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	if len(events) != 2 || !strings.Contains(events[0], `"progressToken":"p"`) || !strings.Contains(events[1], `"hits"`) || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v: %q", res.Header, body)
	}

	res, body = call("limited")
	wantError(t, []byte(body), 429, "1")
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "3" {
		t.Errorf("status %d, %v", res.StatusCode, res.Header)
	}
	for _, query := range []string{"panic", "bomb"} {
		_, body = call(query)
		wantError(t, []byte(body), -32603, "1")
		if strings.Contains(body, "canary") {
			t.Error(body)
		}
	}
	_, body = call(`","query2":5,"query3":"`)
	wantJSON(t, body, `{"jsonrpc":"2.0","id":1,"result":{"hits":["","ann"],"resultType":"complete",`+signed+`}}`)
	res = modernPost(t, url, "acme/search", "", `"query":5`, nil)
	wantError(t, []byte(readAll(t, res.Body)), -32602, "1")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("bad parameters: status %d", res.StatusCode)
	}
	res = modernPost(t, url, "acme/nosuch", "", "", nil)
	body = readAll(t, res.Body)
	e := wantError(t, []byte(body), -32601, "1")
	if res.StatusCode != http.StatusNotFound || e.Error.Data["type"] != "not_found" || strings.Contains(body, "nosuch") {
		t.Errorf("an unknown method: status %d: %s", res.StatusCode, body)
	}
	eventually(t, "the sessions are gone", func() bool { return sessions(s) <= before+2 }) // but those that calls share
}

func TestModern_ADisconnectCancelsACustomMethod(t *testing.T) {
	g := newGate()
	s := newServer(g)
	addCustom(t, s, g)
	h, ts := serve(t, s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"acme/search","params":{"query":"wait",`+meta+`}}`))
		req.Header = http.Header{"Content-Type": {"application/json"}, "Mcp-Protocol-Version": {modern}, "Mcp-Method": {"acme/search"}}
		if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-g.entered
	cancel()
	if err := <-g.cut; err == nil { // the test's deadline is the limit
		t.Error("the handler was let go")
	}
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDrain_CutsACustomMethod(t *testing.T) {
	g := newGate()
	s := newServer(g)
	addCustom(t, s, g)
	h, ts := serve(t, s, nil)
	answer := make(chan string, 1)
	go func() {
		answer <- readAll(t, modernPost(t, ts.URL, "acme/search", "", `"query":"wait"`, nil).Body)
	}()
	<-g.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Drain(ctx); err == nil || !strings.Contains(err.Error(), "cut 1 calls") {
		t.Errorf("Drain: %v", err)
	}
	if err := <-g.cut; err == nil {
		t.Error("the handler was let go")
	}
	if got := <-answer; !strings.Contains(got, `"code":503`) && !strings.Contains(got, `"wait"`) {
		t.Errorf("got %q", got)
	}
	if err := ts.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestThreat40_ACustomMethodThatIgnoresItsContextIsAnsweredWhileItRuns(t *testing.T) {
	g := newGate()
	s := newServer(g)
	addCustom(t, s, g)
	_, ts := serve(t, s, nil)
	defer close(g.leave)
	res := modernPost(t, ts.URL, "acme/search", "", `"query":"hang"`, nil)
	wantError(t, []byte(readAll(t, res.Body)), 504, "1")
}

func TestModern_ACallWhoseSessionSomebodyClosesIsAnswered(t *testing.T) {
	if err := transport.ClosedPassage(); mcperrors.CodeOf(err) != mcperrors.Unavailable {
		t.Errorf("the answer is %v", err)
	}
}

func TestModern_CustomMethodsLeaveNothingBehind(t *testing.T) {
	s := newServer(newGate())
	addCustom(t, s, nil)
	h := handler(t, s)
	recorded(t, h, "acme/search", "", `"query":"x"`)
	before, open := runtime.NumGoroutine(), sessions(s)
	for range 100 {
		recorded(t, h, "acme/search", "", `"query":"x"`)
		recorded(t, h, "acme/nosuch", "", "")
	}
	if got := sessions(s); got != open {
		t.Errorf("%d sessions, %d before", got, open)
	}
	settled(t, before)
}

func TestModern_ANotificationIsAcceptedOnceItsHandlerHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		s := mcp.NewServer(&mcp.Implementation{Name: "n", Version: "v"}, &mcp.ServerOptions{
			RootsListChangedHandler: func(context.Context, *mcp.RootsListChangedRequest) { <-leave },
		})
		body := `{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`
		conn := bubbledWeb(t, handler(t, s))()
		if _, err := io.WriteString(conn, head(len(body), "Mcp-Method: notifications/roots/list_changed")+body); err != nil {
			t.Fatal(err)
		}
		status := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			status <- line
		}()
		synctest.Wait()
		select {
		case got := <-status:
			t.Errorf("accepted at once: %s", got)
		default:
		}
		close(leave)
		if got := <-status; !strings.Contains(got, "202") {
			t.Errorf("got %q", got)
		}
	})
}

func TestModern_NotificationsReachTheirHandlers(t *testing.T) {
	var got []string // without a lock: nothing may run after the answer
	s := mcp.NewServer(&mcp.Implementation{Name: "n", Version: "v"}, &mcp.ServerOptions{
		ProgressNotificationHandler: func(ctx context.Context, r *mcp.ProgressNotificationServerRequest) {
			got = append(got, fmt.Sprint("progress ", r.Params.ProgressToken, whoFrom(ctx)))
			if r.Params.Progress == 2 {
				panic("canary")
			}
		},
		RootsListChangedHandler: func(context.Context, *mcp.RootsListChangedRequest) { got = append(got, "roots") },
	})
	h := who(handler(t, s))
	url := newTestServer(t, handler(t, s), h)
	for _, c := range []struct {
		body   string
		status int
	}{
		{`"method":"notifications/progress","params":{"progressToken":"a","progress":1}`, 202},
		{`"method":"notifications/progress","params":{"progressToken":"b","progress":2}`, 202},
		{`"method":"notifications/roots/list_changed"`, 202},
		{`"method":"notifications/cancelled","params":{"requestId":7}`, 202},
		{`"method":"notifications/initialized"`, 202},
		{`"id":1,"result":{}`, 202},
		{`"method":"notifications/nosuch"`, 400},
		{`"method":"tools/list","params":{}`, 400},
		{`"method":"notifications/progress","params":{"progressToken":"a","progress":"x"}`, 400},
	} {
		res := post(t, url, modern, `{"jsonrpc":"2.0",`+c.body+`}`, func(r *http.Request) {
			method, _, _ := strings.Cut(strings.TrimPrefix(c.body, `"method":"`), `"`)
			routed(method, "")(r)
			as("ann")(r)
		})
		if body := readAll(t, res.Body); res.StatusCode != c.status || (c.status == 202) != (body == "") {
			t.Errorf("%s: status %d %q, want %d", c.body, res.StatusCode, body, c.status)
		}
	}
	if want := []string{"progress aann", "progress bann", "roots"}; !slices.Equal(got, want) {
		t.Errorf("handled %q, want %q", got, want)
	}
}
