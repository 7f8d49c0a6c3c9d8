package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

func panickingHandler(context.Context) (*mcp.CallToolResult, error) { panic(canary) }

func TestRecover_KeepsTheProcessAliveWhateverPanics(t *testing.T) {
	broken := func(mcp.MethodHandler) mcp.MethodHandler {
		return func(_ context.Context, method string, _ mcp.Request) (mcp.Result, error) { panic(method + canary) }
	}
	only := func(methods string, mw mcp.Middleware) mcp.Middleware {
		return func(next mcp.MethodHandler) mcp.MethodHandler {
			other := mw(next)
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				if strings.Contains(methods, method) {
					return other(ctx, method, req)
				}
				return next(ctx, method, req)
			}
		}
	}
	for name, chain := range map[string]mcp.Middleware{
		"alone":            middleware.Recover(),
		"over Errors":      middleware.Chain(middleware.Recover(), middleware.Errors()),
		"with a goroutine": middleware.Chain(middleware.Recover(), middleware.Errors(), middleware.Timeout(time.Minute)),
		"in a middleware":  middleware.Chain(middleware.Recover(), only("completion/complete", broken)),
	} {
		t.Run(name, func(t *testing.T) {
			s := bare(chain)
			tool(s, "hello", hello)
			tool(s, "panics", panickingHandler)
			s.AddPrompt(&mcp.Prompt{Name: "panics"}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
				panic(canary)
			})
			s.AddResource(&mcp.Resource{Name: "r", URI: "x://r"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
				panic(errors.New(canary))
			})
			inBothEras(t, func(t *testing.T, version string) {
				cs := dial(t, s, version)
				_, tool := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "panics"})
				_, prompt := cs.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "panics"})
				_, resource := cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "x://r"})
				errs := []error{tool, prompt, resource}
				if name == "in a middleware" {
					_, complete := cs.Complete(t.Context(), &mcp.CompleteParams{
						Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: "panics"}, Argument: mcp.CompleteParamsArgument{Name: "a"},
					})
					errs = append(errs, complete)
				}
				for _, err := range errs {
					wantCode(t, err, mcperrors.Internal)
					if wire := wireError(t, err); wire.Code != -32603 || strings.Contains(fmt.Sprintf("%+v%s", wire, wire.Data), canary) {
						t.Errorf("got %+v", wire)
					}
				}
				mustAnswer(t, cs)
			})
		})
	}
}

func TestRecover_KeepsTheValueAndTheStackOfThePanic(t *testing.T) {
	value := &struct{ n int }{7}
	for name, mw := range map[string]mcp.Middleware{
		"the same goroutine": middleware.Recover(),
		"another goroutine":  middleware.Chain(middleware.Recover(), middleware.Timeout(time.Minute)),
	} {
		_, err := mw(func(context.Context, string, mcp.Request) (mcp.Result, error) {
			return theFunctionThatPanics(value, 0)
		})(t.Context(), "tools/call", nil)
		wantCode(t, err, mcperrors.Internal)
		p, ok := errors.AsType[*middleware.PanicError](err)
		if !ok || p.Value != value || !strings.Contains(string(p.Stack), "theFunctionThatPanics") {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

func TestRecover_BoundsTheStack(t *testing.T) {
	_, err := middleware.Recover()(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return theFunctionThatPanics("x", 5000)
	})(t.Context(), "tools/call", nil)
	p, _ := errors.AsType[*middleware.PanicError](err)
	if n := len(p.Stack); n == 0 || n > 16<<10 || cap(p.Stack) != n {
		t.Errorf("the stack has %d bytes", n)
	}
	if p.Error() != "panic: x" {
		t.Errorf("got %q", p)
	}
}

func TestRecover_IsInternalAlsoForAPanicWithACodedOrContextError(t *testing.T) {
	for _, v := range []any{context.Canceled, mcperrors.Errorf(mcperrors.Validation, canary), nil} {
		_, err := middleware.Recover()(func(context.Context, string, mcp.Request) (mcp.Result, error) {
			panic(v)
		})(t.Context(), "tools/call", nil)
		wantCode(t, err, mcperrors.Internal)
	}
}

func theFunctionThatPanics(v any, depth int) (mcp.Result, error) {
	if depth > 0 {
		return theFunctionThatPanics(v, depth-1)
	}
	panic(v)
}
