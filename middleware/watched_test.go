package middleware_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/watchdog"
	"github.com/trestle-mcp/trestle/middleware"
)

// caller is a transport's call that can be answered early.
type caller struct {
	answers atomic.Int32
	res     mcp.Result
	err     error
}

func (c *caller) Answer(res mcp.Result, err error) bool {
	c.res, c.err = res, err
	return c.answers.Add(1) == 1
}

func (c *caller) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, watchdog.Key{}, c)
}

func toolRequest() *mcp.CallToolRequest {
	return &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "t"}}
}

func TestTimeout_OverATransportThatCanAnswerKeepsTheHandlerOnItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &caller{}
		gate := &middleware.Gate{Max: 1}
		d := &middleware.Deadline{Limit: time.Minute}
		core, logs := observer.New(zapcore.DebugLevel)
		release := make(chan struct{})
		h := middleware.Chain(middleware.Log(zap.New(core), middleware.LogOptions{}), middleware.Errors(),
			gate.Middleware(), d.Middleware())(ignoring(release))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = h(c.context(t.Context()), "tools/call", toolRequest())
		}()

		<-time.After(time.Minute - time.Nanosecond) // virtual
		synctest.Wait()
		if c.answers.Load() != 0 || gate.InFlight() != 1 {
			t.Fatal("answered before the deadline")
		}
		<-time.After(time.Nanosecond) // virtual
		synctest.Wait()
		if c.answers.Load() != 1 || mcperrors.CodeOf(middleware.Failure(c.res, c.err)) != mcperrors.Timeout {
			t.Errorf("%d answers: %v, %v", c.answers.Load(), c.res, c.err)
		}
		if d.Abandoned() != 1 || gate.InFlight() != 0 {
			t.Errorf("%d abandoned, %d in flight; want 1 and a free slot", d.Abandoned(), gate.InFlight())
		}
		<-time.After(2 * time.Second) // virtual
		synctest.Wait()
		if logs.FilterMessageSnippet("past its deadline").Len() != 1 {
			t.Error("the log does not tell of a handler that hangs")
		}
		close(release)
		<-done
		if d.Abandoned() != 0 || gate.InFlight() != 0 {
			t.Errorf("afterwards: %d abandoned, %d in flight", d.Abandoned(), gate.InFlight())
		}
		if calls := logs.FilterMessage("mcp call").All(); len(calls) != 1 || calls[0].ContextMap()["code"] != "timeout" {
			t.Errorf("records: %v", logs.All())
		}
	})
}

func TestTimeout_OverATransportThatCanAnswerPassesWhatReturnsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &caller{}
		d := &middleware.Deadline{Limit: time.Minute}
		own := errors.New("own")
		for _, want := range []error{nil, own} {
			h := d.Middleware()(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
				if at, ok := ctx.Deadline(); !ok || time.Until(at) != time.Minute {
					t.Errorf("deadline %v, %t", at, ok)
				}
				return text("in time"), want
			})
			res, err := h(c.context(t.Context()), "tools/call", toolRequest())
			if res == nil || !errors.Is(err, want) {
				t.Errorf("got %v, %v", res, err)
			}
		}
		<-time.After(time.Hour) // virtual
		if c.answers.Load() != 0 || d.Abandoned() != 0 {
			t.Errorf("%d answers, %d abandoned", c.answers.Load(), d.Abandoned())
		}
	})
}

func TestTimeout_OverATransportThatCanAnswerPanicsWhereItsHandlerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &caller{}
		d := &middleware.Deadline{Limit: time.Minute}
		h := middleware.Chain(middleware.Recover(), d.Middleware())(func(context.Context, string, mcp.Request) (mcp.Result, error) { panic("x") })
		_, err := h(c.context(t.Context()), "tools/call", toolRequest())
		wantCode(t, err, mcperrors.Internal)
		<-time.After(time.Hour) // virtual
		if c.answers.Load() != 0 || d.Abandoned() != 0 {
			t.Errorf("%d answers, %d abandoned", c.answers.Load(), d.Abandoned())
		}
	})
}

// The context of a watched call is armed lazily, by code of our own: it has to
// behave like the standard library's.
func TestTimeout_TheLazyContextBehavesLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		run := func(ctx context.Context, f func(ctx context.Context)) {
			h := middleware.Timeout(time.Minute)(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
				f(ctx)
				return text(""), nil
			})
			_, _ = h((&caller{}).context(ctx), "tools/call", toolRequest())
		}
		parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
		var after context.Context
		run(parent, func(ctx context.Context) { // the deadline ends it, and what derives from it
			child, stop := context.WithCancel(ctx)
			defer stop()
			if ctx.Err() != nil || child.Err() != nil || child.Value(key{}) != "v" {
				t.Error("ended before the deadline, or lost a value")
			}
			<-child.Done()
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) || child.Err() == nil {
				t.Errorf("got %v, %v", ctx.Err(), child.Err())
			}
		})
		run(parent, func(ctx context.Context) { after = ctx }) // its return ends it
		<-after.Done()
		if after.Err() == nil {
			t.Error("no error after the call")
		}
		run(parent, func(ctx context.Context) { // the caller ends it, for good
			cancel()
			<-ctx.Done()
			<-time.After(2 * time.Minute) // virtual
			if !errors.Is(ctx.Err(), context.Canceled) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("got %v", ctx.Err())
			}
		})
		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		run(short, func(ctx context.Context) { // an earlier deadline stands
			if at, _ := ctx.Deadline(); time.Until(at) != time.Second {
				t.Errorf("deadline in %v", time.Until(at))
			}
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("got %v", ctx.Err())
			}
		})
	})
}

func BenchmarkTimeout(b *testing.B) {
	req := toolRequest()
	res := text("x")
	next := func(context.Context, string, mcp.Request) (mcp.Result, error) { return res, nil }
	for name, ctx := range map[string]context.Context{"goroutine": b.Context(), "watched": (&caller{}).context(b.Context())} {
		h := middleware.Timeout(time.Minute)(next)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(ctx, "tools/call", req)
			}
		})
	}
}
