package middleware_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

func TestConcurrency_RefusesTheCallBeyondTheLimitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		gate := &middleware.Gate{Max: 2}
		h := gate.Middleware()(ignoring(release))
		for range 2 {
			go func() { _, _ = h(t.Context(), "tools/call", nil) }()
		}
		synctest.Wait()
		start := time.Now()
		_, err := h(t.Context(), "tools/call", nil)
		e := mcperrors.From(err)
		if e == nil || e.Code != mcperrors.Exhausted || e.Text() != "too many calls in flight" || e.RetryAfter != time.Second {
			t.Errorf("got %+v", e)
		}
		if time.Since(start) != 0 || gate.InFlight() != 2 {
			t.Errorf("took %v, %d in flight", time.Since(start), gate.InFlight())
		}
		close(release)
		synctest.Wait()
		if _, err := h(t.Context(), "tools/call", nil); err != nil || gate.InFlight() != 0 {
			t.Errorf("got %v, %d in flight", err, gate.InFlight())
		}
	})
}

func TestConcurrency_CountsUserCodeAndListsOnly(t *testing.T) {
	counted := map[string]bool{
		"tools/call": true, "prompts/get": true, "resources/read": true, "completion/complete": true, "acme/search": true,
		"tools/list": true, "prompts/list": true, "resources/list": true, "resources/templates/list": true,
		"initialize": false, "server/discover": false, "ping": false, "notifications/cancelled": false,
		"subscriptions/listen": false,
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := middleware.Concurrency(1)(func(_ context.Context, method string, _ mcp.Request) (mcp.Result, error) {
			if method == "tools/call" {
				<-release
			}
			return nil, nil
		})
		go func() { _, _ = h(t.Context(), "tools/call", nil) }()
		synctest.Wait()
		for method, want := range counted {
			if _, err := h(t.Context(), method, nil); (err != nil) != want {
				t.Errorf("%s: got %v", method, err)
			}
		}
		close(release)
	})
}

func TestConcurrency_FreesTheSlotOfACallThatPanics(t *testing.T) {
	gate := &middleware.Gate{Max: 1}
	h := middleware.Chain(middleware.Recover(), gate.Middleware())(
		func(context.Context, string, mcp.Request) (mcp.Result, error) { panic("x") })
	for range 3 {
		_, err := h(t.Context(), "tools/call", nil)
		wantCode(t, err, mcperrors.Internal)
	}
	if n := gate.InFlight(); n != 0 {
		t.Errorf("%d in flight", n)
	}
}

func TestConcurrency_OfZeroOrLessIsNoLimit(t *testing.T) {
	for _, limit := range []int{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			gate := &middleware.Gate{Max: limit}
			h := gate.Middleware()(ignoring(release))
			for range 100 {
				go func() {
					if _, err := h(t.Context(), "tools/call", nil); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			if n := gate.InFlight(); n != 100 {
				t.Errorf("%d in flight", n)
			}
			close(release)
		})
	}
}

func TestConcurrency_TellsTheConfiguredRetryAfter(t *testing.T) {
	for configured, want := range map[time.Duration]time.Duration{0: time.Second, time.Minute: time.Minute, -1: 0} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			h := (&middleware.Gate{Max: 1, RetryAfter: configured}).Middleware()(ignoring(release))
			go func() { _, _ = h(t.Context(), "tools/call", nil) }()
			synctest.Wait()
			_, err := h(t.Context(), "tools/call", nil)
			if got := mcperrors.From(err).RetryAfter; got != want {
				t.Errorf("%v: got %v, want %v", configured, got, want)
			}
			close(release)
		})
	}
}

func TestConcurrency_HoldsItsLimitUnderLoad(t *testing.T) {
	const limit = 4
	var now, most, answered, refused atomic.Int64
	gate := &middleware.Gate{Max: limit}
	h := gate.Middleware()(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return nil, nil
	})
	var calls sync.WaitGroup
	for range 32 {
		calls.Go(func() {
			for range 50 {
				if _, err := h(t.Context(), "tools/call", nil); err != nil {
					refused.Add(1)
				} else {
					answered.Add(1)
				}
			}
		})
	}
	calls.Wait()
	if most.Load() > limit || gate.InFlight() != 0 || answered.Load()+refused.Load() != 32*50 {
		t.Errorf("most %d, in flight %d, answered %d, refused %d", most.Load(), gate.InFlight(), answered.Load(), refused.Load())
	}
}

func TestConcurrency_RefusesOnABareServerWithACodeAndRetryAfter(t *testing.T) {
	gate := &middleware.Gate{Max: 1}
	s := bare(middleware.Chain(middleware.Recover(), middleware.Errors(), gate.Middleware()))
	entered, release := make(chan struct{}), make(chan struct{})
	tool(s, "hello", hello)
	tool(s, "waits", func(context.Context) (*mcp.CallToolResult, error) {
		entered <- struct{}{}
		<-release
		return text("x"), nil
	})
	inBothEras(t, func(t *testing.T, version string) {
		cs := dial(t, s, version)
		var waiting sync.WaitGroup
		waiting.Go(func() { _, _ = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "waits"}) })
		<-entered
		_, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "hello"})
		wire := wireError(t, err)
		if e := mcperrors.From(wire); wire.Code != 503 || e.Code != mcperrors.Exhausted || e.RetryAfter != time.Second {
			t.Errorf("got %+v %s", wire, wire.Data)
		}
		release <- struct{}{}
		waiting.Wait()
		mustAnswer(t, cs)
	})
}
