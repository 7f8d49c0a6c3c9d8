package middleware_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

// block ends when its context does.
func block(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// ignoring ends when release is closed, whatever its context says.
func ignoring(release <-chan struct{}) mcp.MethodHandler {
	return func(context.Context, string, mcp.Request) (mcp.Result, error) {
		<-release
		return text("late"), nil
	}
}

func TestTimeout_EndsTheContextOfAHandlerAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := middleware.Timeout(time.Minute)(block)
		_, err := h(t.Context(), "tools/call", nil)
		wantCode(t, err, mcperrors.Timeout)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestTimeout_AnswersForAHandlerThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := &middleware.Deadline{Limit: time.Minute}
		start := time.Now()
		res, err := d.Middleware()(ignoring(release))(t.Context(), "tools/call", nil)
		wantCode(t, err, mcperrors.Timeout)
		if took := time.Since(start); took != time.Minute || res != nil {
			t.Errorf("took %v, got %v", took, res)
		}
		if n := d.Abandoned(); n != 1 {
			t.Errorf("%d abandoned, want 1", n)
		}
		close(release)
		synctest.Wait()
		if n := d.Abandoned(); n != 0 {
			t.Errorf("%d abandoned after it returned", n)
		}
	})
}

func TestTimeout_BoundsOnlyMethodsThatRunUserCode(t *testing.T) {
	bounded := map[string]bool{
		"tools/call": true, "prompts/get": true, "resources/read": true, "completion/complete": true, "acme/search": true,
		"initialize": false, "server/discover": false, "ping": false, "tools/list": false, "prompts/list": false,
		"resources/list": false, "resources/templates/list": false, "notifications/progress": false,
		"subscriptions/listen": false, "resources/subscribe": false, "logging/setLevel": false,
	}
	for method, want := range bounded {
		_, _ = middleware.Timeout(time.Minute)(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
			if _, got := ctx.Deadline(); got != want {
				t.Errorf("%s: has a deadline: %v", method, got)
			}
			return nil, nil
		})(t.Context(), method, nil)
	}
}

func TestTimeout_IsChosenForEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &middleware.Deadline{Limit: time.Minute, For: func(_ string, req mcp.Request) time.Duration {
			return map[string]time.Duration{"slow": time.Hour, "endless": -1}[req.(*mcp.CallToolRequest).Params.Name]
		}}
		for name, want := range map[string]time.Duration{"other": time.Minute, "slow": time.Hour, "endless": 0} {
			_, _ = d.Middleware()(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
				deadline, ok := ctx.Deadline()
				if ok != (want > 0) || (ok && time.Until(deadline) != want) {
					t.Errorf("%s: deadline in %v, %v", name, time.Until(deadline), ok)
				}
				return nil, nil
			})(t.Context(), "tools/call", callRequest(name, modern))
		}
	})
}

func TestTimeout_OfZeroOrLessIsNone(t *testing.T) {
	for _, limit := range []time.Duration{0, -1} {
		_, _ = middleware.Timeout(limit)(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
			if _, ok := ctx.Deadline(); ok {
				t.Errorf("%v: has a deadline", limit)
			}
			return nil, nil
		})(t.Context(), "tools/call", nil)
	}
}

func TestTimeout_PassesWhatTheHandlerReturns(t *testing.T) {
	boom := errors.New("boom")
	want := text("x")
	res, err := middleware.Timeout(time.Minute)(answering(want, boom))(t.Context(), "tools/call", nil)
	if res != mcp.Result(want) || err != boom { //nolint:errorlint // the same
		t.Errorf("got %v, %v", res, err)
	}
	coded := mcperrors.Wrap(mcperrors.Unavailable, "busy", context.DeadlineExceeded)
	_, err = middleware.Timeout(time.Minute)(answering(nil, coded))(t.Context(), "tools/call", nil)
	wantCode(t, err, mcperrors.Unavailable)
}

func TestTimeout_RefusesNewCallsWhileTooManyHandlersAreAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := &middleware.Deadline{Limit: time.Second, MaxAbandoned: 2}
		h := d.Middleware()(ignoring(release))
		for range 2 {
			_, err := h(t.Context(), "tools/call", nil)
			wantCode(t, err, mcperrors.Timeout)
		}
		before := time.Now()
		_, err := h(t.Context(), "tools/call", nil)
		wantCode(t, err, mcperrors.Exhausted)
		if e := mcperrors.From(err); e.RetryAfter != time.Second || time.Since(before) != 0 {
			t.Errorf("got %+v after %v", e, time.Since(before))
		}
		close(release)
		synctest.Wait()
		if _, err := h(t.Context(), "tools/call", nil); err != nil || d.Abandoned() != 0 {
			t.Errorf("got %v, %d abandoned", err, d.Abandoned())
		}
	})
}

func TestTimeout_AllowsAsManyAbandonedHandlersAsDocumented(t *testing.T) {
	for limit, want := range map[int]int64{0: 256, -1: 300} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			d := &middleware.Deadline{Limit: time.Second, MaxAbandoned: limit}
			h := d.Middleware()(ignoring(release))
			for range 300 {
				_, _ = h(t.Context(), "tools/call", nil)
			}
			if n := d.Abandoned(); n != want {
				t.Errorf("%d abandoned, want %d", n, want)
			}
			close(release)
		})
	}
}

func TestTimeout_LeavesACallersHandlerTheTimeItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		d := &middleware.Deadline{Limit: time.Minute}
		cleansUp := func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
			<-ctx.Done()
			<-time.After(10 * time.Second)
			return nil, ctx.Err()
		}
		time.AfterFunc(time.Second, leave)
		start := time.Now()
		_, err := d.Middleware()(cleansUp)(ctx, "tools/call", nil)
		wantCode(t, err, mcperrors.Canceled)
		if took := time.Since(start); took != 11*time.Second || d.Abandoned() != 0 {
			t.Errorf("took %v, %d abandoned", took, d.Abandoned())
		}

		release := make(chan struct{})
		start = time.Now()
		_, err = d.Middleware()(ignoring(release))(ctx, "tools/call", nil)
		wantCode(t, err, mcperrors.Timeout)
		if took := time.Since(start); took != time.Minute || d.Abandoned() != 1 {
			t.Errorf("took %v, %d abandoned", took, d.Abandoned())
		}
		close(release)
	})
}

func TestTimeout_ReportsTheLatePanicOfAnAbandonedHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observed(zap.DebugLevel)
		d := &middleware.Deadline{Limit: time.Minute}
		h := middleware.Chain(middleware.Log(logger, middleware.LogOptions{}), d.Middleware())(
			func(context.Context, string, mcp.Request) (mcp.Result, error) {
				<-time.After(time.Hour)
				return theFunctionThatPanics("password="+canary, 0)
			})
		_, err := h(t.Context(), "tools/call", callRequest("slow", modern))
		wantCode(t, err, mcperrors.Timeout)
		<-time.After(time.Hour)
		synctest.Wait()
		if n := d.Abandoned(); n != 0 {
			t.Errorf("%d abandoned", n)
		}
		late := logs.FilterLevelExact(zap.ErrorLevel).All()
		if len(late) != 1 {
			t.Fatalf("got %v", logs.All())
		}
		f := late[0].ContextMap()
		if f["tool"] != "slow" || f["cause"] != "panic: password=[redacted]" || !strings.Contains(f["stack"].(string), "theFunctionThatPanics") {
			t.Errorf("got %v", f)
		}
	})
}

func TestTimeout_PanicsWhereItsHandlerDoes(t *testing.T) {
	defer func() {
		p, ok := recover().(*middleware.PanicError)
		if !ok || p.Value != canary {
			t.Errorf("got %v", p)
		}
	}()
	_, _ = middleware.Timeout(time.Minute)(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		panic(canary)
	})(t.Context(), "tools/call", nil)
}

func TestTimeout_AnswersForAHandlerThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := middleware.Timeout(time.Minute)(func(context.Context, string, mcp.Request) (mcp.Result, error) {
			runtime.Goexit()
			return nil, nil
		})(t.Context(), "tools/call", nil)
		wantCode(t, err, mcperrors.Internal)
	})
}

// Handlers that return at the very moment of the deadline: each call is
// answered once, and none is counted for ever.
func TestTimeout_SettlesEachCallOnceAtTheDeadline(t *testing.T) {
	d := &middleware.Deadline{Limit: 50 * time.Microsecond, MaxAbandoned: -1}
	h := d.Middleware()(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
		<-ctx.Done()
		return text("x"), nil
	})
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			res, err := h(t.Context(), "tools/call", nil)
			if (res == nil) == (err == nil) {
				t.Errorf("got %v, %v", res, err)
			}
		})
	}
	calls.Wait()
	for d.Abandoned() != 0 {
		runtime.Gosched()
	}
}

func TestTimeout_FreesTheSlotOfAnAbandonedCallOnABareServer(t *testing.T) {
	release := make(chan struct{})
	gate := &middleware.Gate{Max: 1}
	d := &middleware.Deadline{Limit: time.Minute, For: func(_ string, req mcp.Request) time.Duration {
		if req.(*mcp.CallToolRequest).Params.Name == "hangs" {
			return 10 * time.Millisecond
		}
		return 0
	}}
	s := bare(middleware.Chain(middleware.Recover(), middleware.Errors(), gate.Middleware(), d.Middleware()))
	tool(s, "hello", hello)
	tool(s, "hangs", func(context.Context) (*mcp.CallToolResult, error) { <-release; return text("late"), nil })
	inBothEras(t, func(t *testing.T, version string) {
		cs := dial(t, s, version)
		res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "hangs"})
		wantCode(t, middleware.Failure(res, err), mcperrors.Timeout)
		if err != nil || !res.IsError || d.Abandoned() == 0 {
			t.Errorf("got %v, %v, %d abandoned", res, err, d.Abandoned())
		}
		mustAnswer(t, cs)
	})
	close(release)
}
