package server_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/server"
)

// limitedServer allows each principal one call of a tool in a minute and a half.
func limitedServer(t *testing.T) *server.Server {
	t.Helper()
	principal := ratelimit.By(func(ctx context.Context) string {
		p, _ := auth.PrincipalFrom(ctx)
		return p.Key()
	})
	srv, _ := newServer(t, server.Options{RateLimitHeaders: true, RateLimits: []ratelimit.Rule{
		{Name: "caller", Key: principal, Limiter: ratelimit.SlidingWindow(1, 89*time.Second+time.Millisecond), Methods: []string{"tools/call"}},
		{Name: "all", Limiter: ratelimit.SlidingWindow(1000, time.Hour)},
	}})
	mustAdd(t, server.AddTool(srv, tool("x"), func(context.Context, none) (string, error) { return "done", nil }))
	return srv
}

func TestRateLimit_RefusesOnEveryTransportInBothEras(t *testing.T) {
	for i, opts := range [][]mcptest.Option{
		{},
		{mcptest.OverHTTP()},
		{mcptest.OverStdio()},
		{mcptest.Legacy()},
		{mcptest.OverHTTP(), mcptest.Legacy()},
		{mcptest.OverStdio(), mcptest.Legacy()},
	} {
		srv := limitedServer(t)
		as := func(name string) *mcptest.Client {
			return mcptest.New(t, srv, append(opts, mcptest.As(&auth.Principal{Issuer: "i", Subject: name}))...)
		}
		ann := as("ann")
		ann.Call("x", nil).OK()
		refused := ann.Call("x", nil).Fails(mcperrors.RateLimited)
		if e := mcperrors.From(refused.Err); e.RetryAfter <= 80*time.Second || e.RetryAfter > 90*time.Second {
			t.Errorf("case %d: a retry after %v", i, e.RetryAfter)
		}
		as("bob").Call("x", nil).OK()
	}
}

func TestRateLimit_IsInTheHeadersOfTheAnswer(t *testing.T) {
	h, err := limitedServer(t).Handler()
	mustAdd(t, err)
	web := httptest.NewServer(h)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	send := func(version, session, method, params string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL,
			strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{`+params+`}}`))
		mustAdd(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if version != "" {
			req.Header.Set("MCP-Protocol-Version", version)
		}
		if session != "" {
			req.Header.Set("Mcp-Session-Id", session)
		} else if version != "" {
			req.Header.Set("Mcp-Method", method)
			if method == "tools/call" {
				req.Header.Set("Mcp-Name", "x")
			}
		}
		res, err := http.DefaultClient.Do(req)
		mustAdd(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		mustAdd(t, res.Body.Close())
		return res
	}
	const modern, legacy = "2026-07-28", "2025-11-25"
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

	res := send(modern, "", "tools/call", `"name":"x",`+meta)
	if res.StatusCode != http.StatusOK || res.Header.Get("RateLimit") != `"caller";r=0;t=90` || res.Header.Get("RateLimit-Policy") != `"caller";q=1;w=90` {
		t.Errorf("allowed: %d %v", res.StatusCode, res.Header)
	}
	// The transport may list in the caller's name before it calls, so these are two or more.
	res = send(modern, "", "tools/list", meta)
	if res.StatusCode != http.StatusOK || !regexp.MustCompile(`^"all";r=99[5-8];t=3600$`).MatchString(res.Header.Get("RateLimit")) || res.Header.Get("RateLimit-Policy") != `"all";q=1000;w=3600` {
		t.Errorf("another rule: %d %v", res.StatusCode, res.Header)
	}
	session := send("", "", "initialize",
		`"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}`).Header.Get("Mcp-Session-Id")
	for era, res := range map[string]*http.Response{
		modern: send(modern, "", "tools/call", `"name":"x",`+meta),
		legacy: send(legacy, session, "tools/call", `"name":"x"`),
	} {
		after, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if res.StatusCode != http.StatusTooManyRequests || err != nil || after < 80 || after > 90 {
			t.Errorf("%s: %d %v", era, res.StatusCode, res.Header)
		}
		if got, want := res.Header.Get("RateLimit"), `"caller";r=0;t=`+strconv.Itoa(after); got != want {
			t.Errorf("%s: RateLimit is %s, want %s", era, got, want)
		}
	}
}

// callAs is a call over HTTP, of somebody or of nobody.
func callAs(subject string) *mcp.CallToolRequest {
	req := &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "t"}, Extra: &mcp.RequestExtra{Header: http.Header{}}}
	if subject != "" {
		req.Extra.TokenInfo = (&auth.Principal{Issuer: "i", Subject: subject}).TokenInfo(time.Time{})
	}
	return req
}

func TestRateLimit_AKnownCallerHasAThousandCallsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := server.Stack(&server.Options{Logger: zap.NewNop()})(
			func(context.Context, string, mcp.Request) (mcp.Result, error) { return &mcp.CallToolResult{}, nil })
		call := func(subject string) mcperrors.Code {
			res, err := h(t.Context(), "tools/call", callAs(subject))
			return mcperrors.CodeOf(middleware.Failure(res, err))
		}
		for range server.DefaultRateLimit {
			if code := call("ann"); code != "" {
				t.Fatal(code)
			}
		}
		if code := call("ann"); code != mcperrors.RateLimited {
			t.Errorf("the next is %q", code)
		}
		for range server.DefaultRateLimit + 1 {
			if code := call(""); code != "" {
				t.Fatalf("a caller that nobody knows: %v", code)
			}
		}
		if code := call("bob"); code != "" {
			t.Errorf("another caller: %v", code)
		}
		<-time.After(time.Second) // virtual
		if code := call("ann"); code != "" {
			t.Errorf("a second later: %v", code)
		}
	})
}

func TestRateLimit_RulesWithMistakesLetNobodyCall(t *testing.T) {
	bad := server.Options{Logger: zap.NewNop(), RateLimits: []ratelimit.Rule{{Name: "a b"}}}
	if _, err := server.New("x", "1", &bad); err == nil || !strings.Contains(err.Error(), "a b") {
		t.Errorf("New says %v", err)
	}
	h := server.Stack(&bad)(func(context.Context, string, mcp.Request) (mcp.Result, error) { return &mcp.CallToolResult{}, nil })
	if res, err := h(t.Context(), "tools/call", callAs("ann")); mcperrors.CodeOf(middleware.Failure(res, err)) != mcperrors.Internal {
		t.Errorf("got %v, %v", res, err)
	}
}

func TestRateLimit_NoRulesAreNoLimit(t *testing.T) {
	h := server.Stack(&server.Options{Logger: zap.NewNop(), RateLimits: []ratelimit.Rule{}})(
		func(context.Context, string, mcp.Request) (mcp.Result, error) { return &mcp.CallToolResult{}, nil })
	for range 2 * server.DefaultRateLimit {
		if res, err := h(t.Context(), "tools/call", callAs("ann")); middleware.Failure(res, err) != nil {
			t.Fatal(middleware.Failure(res, err))
		}
	}
}
