package ratelimit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

type callerKey struct{}

func caller(ctx context.Context) string {
	s, _ := ctx.Value(callerKey{}).(string)
	return s
}

func as(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// limited returns a handler behind rules, and counts what reaches it.
func limited(t *testing.T, reached *int, rules ...ratelimit.Rule) mcp.MethodHandler {
	t.Helper()
	mw, err := ratelimit.New(ratelimit.Options{Rules: rules, Headers: true}) // of no effect without a transport
	if err != nil {
		t.Fatal(err)
	}
	return mw(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		*reached++
		return &mcp.CallToolResult{}, nil
	})
}

func toolCall(name string) *mcp.CallToolRequest {
	return &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: name}}
}

func hour(limit int) *ratelimit.Local { return ratelimit.SlidingWindow(limit, time.Hour) }

func TestNew_RefusesWithWhatTheCallerNeedsToKnow(t *testing.T) {
	var reached int
	h := limited(t, &reached, ratelimit.Rule{Name: "caller", Key: ratelimit.By(caller), Limiter: hour(1)})
	ctx := as(t.Context(), "ann")
	if _, err := h(ctx, "tools/call", toolCall("x")); err != nil {
		t.Fatal(err)
	}
	_, err := h(ctx, "tools/call", toolCall("x"))
	e := mcperrors.From(err)
	if e == nil || e.Code != mcperrors.RateLimited || e.RetryAfter <= 59*time.Minute || e.RetryAfter > time.Hour {
		t.Fatalf("got %+v", e)
	}
	if want := `too many requests, the limit "caller" is 1 in 1h0m0s`; e.Text() != want {
		t.Errorf("got %q", e.Text())
	}
	if e.Details["rule"] != "caller" || e.Details["limit"] != 1 {
		t.Errorf("details: %v", e.Details)
	}
	if _, err := h(as(ctx, "bob"), "tools/call", toolCall("x")); err != nil {
		t.Errorf("another caller: %v", err)
	}
	if reached != 2 {
		t.Errorf("%d calls reached the handler", reached)
	}
}

func TestNew_AnonymousCallersShareABudget(t *testing.T) {
	var reached int
	h := limited(t, &reached, ratelimit.Rule{Name: "caller", Key: ratelimit.By(caller), Limiter: hour(2)})
	for i := range 4 {
		if _, err := h(t.Context(), "tools/list", nil); (err == nil) != (i < 2) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func TestNew_CountsRequestsButThoseThatKeepSessionsGoing(t *testing.T) {
	counted := []string{
		"tools/call", "tools/list", "prompts/get", "prompts/list", "resources/read", "resources/list",
		"resources/templates/list", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen",
		"completion/complete", "logging/setLevel", "acme/custom",
	}
	free := []string{"ping", "initialize", "server/discover", "notifications/initialized", "notifications/cancelled"}
	for _, method := range append(counted, free...) {
		var reached int
		h := limited(t, &reached, ratelimit.Rule{Name: "r", Limiter: hour(1)})
		named := limited(t, &reached, ratelimit.Rule{Name: "r", Limiter: hour(1), Methods: []string{method}})
		for range 2 {
			_, _ = h(t.Context(), method, nil)
		}
		want := 1
		for _, f := range free {
			if f == method {
				want = 2
			}
		}
		if reached != want {
			t.Errorf("%s: %d reached the handler, want %d", method, reached, want)
		}
		reached = 0
		for range 2 {
			_, _ = named(t.Context(), method, nil)
		}
		if reached != 1 {
			t.Errorf("%s: named, %d reached the handler", method, reached)
		}
	}
}

func TestRule_KeysSayWhoseBudgetItIs(t *testing.T) {
	call := func(method, tool string) func(mcp.MethodHandler) error {
		return func(h mcp.MethodHandler) error {
			var req mcp.Request
			if method == "tools/call" {
				req = toolCall(tool)
			}
			_, err := h(t.Context(), method, req)
			return err
		}
	}
	search, report, odd, odder := call("tools/call", "search"), call("tools/call", "report"), call("tools/call", "Search"), call("tools/call", "")
	list := call("tools/list", "")
	for name, c := range map[string]struct {
		rule ratelimit.Rule
		same bool // as one budget; else each has its own
		of   []func(mcp.MethodHandler) error
		free []func(mcp.MethodHandler) error
	}{
		"global":        {rule: ratelimit.Rule{}, same: true, of: []func(mcp.MethodHandler) error{search, report, list}},
		"method":        {rule: ratelimit.Rule{Key: ratelimit.ByMethod()}, of: []func(mcp.MethodHandler) error{search, list}},
		"tool":          {rule: ratelimit.Rule{Key: ratelimit.ByTool("search", "report")}, of: []func(mcp.MethodHandler) error{search, report, odd}},
		"unnamed tools": {rule: ratelimit.Rule{Key: ratelimit.ByTool("x")}, same: true, of: []func(mcp.MethodHandler) error{search, odd, odder, list}},
		"narrowed": {
			rule: ratelimit.Rule{Tools: []string{"search", "report"}}, same: true,
			of: []func(mcp.MethodHandler) error{search, report}, free: []func(mcp.MethodHandler) error{odd, odder, list},
		},
		"methods": {
			rule: ratelimit.Rule{Methods: []string{"tools/list"}}, same: true,
			of: []func(mcp.MethodHandler) error{list}, free: []func(mcp.MethodHandler) error{search},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var reached int
			c.rule.Name, c.rule.Limiter = "r", hour(1)
			h := limited(t, &reached, c.rule)
			for i, one := range c.of {
				if err := one(h); (err == nil) != (i == 0 || !c.same) {
					t.Errorf("call %d: %v", i, err)
				}
			}
			for i, one := range c.of {
				if one(h) == nil {
					t.Errorf("call %d has a second budget", i)
				}
			}
			for i, one := range c.free {
				if err := errors.Join(one(h), one(h)); err != nil {
					t.Errorf("free call %d: %v", i, err)
				}
			}
		})
	}
}

func TestRule_CostsAreTaken(t *testing.T) {
	var reached int
	cost := 3
	h := limited(t, &reached, ratelimit.Rule{
		Name: "r", Limiter: hour(5), Cost: func(string, mcp.Request) int { return cost },
	})
	call := func(c int) mcperrors.Code {
		cost = c
		_, err := h(t.Context(), "tools/call", toolCall("x"))
		return mcperrors.CodeOf(err)
	}
	for i, c := range []struct {
		cost int
		want mcperrors.Code
	}{
		{6, mcperrors.Validation}, {3, ""}, {3, mcperrors.RateLimited}, {2, ""}, {1, mcperrors.RateLimited}, {0, ""}, {-1, mcperrors.Internal},
	} {
		if got := call(c.cost); got != c.want {
			t.Errorf("call %d of cost %d: %q, want %q", i, c.cost, got, c.want)
		}
	}
	if reached != 3 {
		t.Errorf("%d calls reached the handler", reached)
	}
}

func TestNew_ReportsTheTightestRule(t *testing.T) {
	var reached int
	h := limited(t, &reached,
		ratelimit.Rule{Name: "short", Limiter: ratelimit.SlidingWindow(1, time.Minute)},
		ratelimit.Rule{Name: "wide", Limiter: hour(100)},
		ratelimit.Rule{Name: "long", Limiter: hour(1)},
	)
	_, _ = h(t.Context(), "tools/list", nil)
	_, err := h(t.Context(), "tools/list", nil)
	if e := mcperrors.From(err); e == nil || e.Details["rule"] != "long" || e.RetryAfter < 59*time.Minute {
		t.Errorf("got %v", err)
	}
}

// A mistaken limiter is remote and knows what is wrong with it.
type mistaken struct{ remote }

func (*mistaken) Err() error { return errors.New("a limit of nothing") }

func TestNew_TellsOfMistakesOfOtherLimiters(t *testing.T) {
	one := &joint{}
	_, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
		{Name: "wrong", Limiter: &mistaken{}}, {Name: "first", Limiter: one}, {Name: "second", Limiter: one},
	}})
	for _, want := range []string{`"wrong": a limit of nothing`, `"first" and "second" share a limiter`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
}

func TestNew_TellsOfAllMistakes(t *testing.T) {
	shared := hour(1)
	_, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
		{Name: "", Limiter: hour(1)},
		{Name: `a"b`, Limiter: hour(1)},
		{Name: "twin", Limiter: shared},
		{Name: "twin", Limiter: shared},
		{Name: "none"},
		{Name: "nil", Limiter: (*ratelimit.Local)(nil)},
		{Name: "broken", Limiter: hour(0)},
		{Name: "far", Limiter: &remote{}},
		{Name: "farther", Limiter: &remote{}},
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"9 rules", `rule 0: the name ""`, `rule 1: the name "a\"b"`, `two rules are named "twin"`, `"twin" and "twin" share a limiter`,
		`"none" has no limiter`, `"nil" has no limiter`, `"broken": ratelimit: a limit of 0`, "cannot decide together",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if _, err := ratelimit.New(ratelimit.Options{}); err != nil {
		t.Errorf("no rules: %v", err)
	}
}

// What an SDK client gets over a plain connection, as over stdio.
func TestNew_TellsAClientWhenToRetry(t *testing.T) {
	mw, err := ratelimit.New(ratelimit.Options{Rules: []ratelimit.Rule{
		{Name: "all", Limiter: ratelimit.SlidingWindow(1, time.Minute), Methods: []string{"tools/call"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := mcp.NewServer(&mcp.Implementation{Name: "bare", Version: "1"}, nil)
	s.AddReceivingMiddleware(middleware.Chain(middleware.Errors(), mw))
	s.AddTool(&mcp.Tool{Name: "x", InputSchema: map[string]any{"type": "object"}},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{}, nil
		})
	st, ct := mcp.NewInMemoryTransports()
	ss, err := s.Connect(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	cs, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(), ct, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cs.Close()
		_ = ss.Wait()
	})
	call := func() error {
		_, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "x"})
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	wire, ok := errors.AsType[*jsonrpc.Error](call())
	if !ok || wire.Code != 429 || !strings.Contains(string(wire.Data), `"retryAfterMs":`) {
		t.Errorf("got %+v", wire)
	}
	if e := mcperrors.From(wire); e.RetryAfter <= 50*time.Second || e.RetryAfter > time.Minute {
		t.Errorf("a retry after %v", e.RetryAfter)
	}
}
