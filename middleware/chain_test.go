package middleware_test

import (
	"context"
	"slices"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/middleware"
)

func tracing(seen *[]string, name string) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			*seen = append(*seen, "in "+name)
			defer func() { *seen = append(*seen, "out "+name) }()
			return next(ctx, method, req)
		}
	}
}

func TestChain_RunsTheFirstOutermost(t *testing.T) {
	var seen []string
	s := bare(middleware.Chain(tracing(&seen, "a"), nil, tracing(&seen, "b"), tracing(&seen, "c")))
	tool(s, "hello", hello)
	cs := dial(t, s, modern)
	seen = nil
	mustAnswer(t, cs)
	want := []string{"in a", "in b", "in c", "out c", "out b", "out a"}
	if !slices.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestChain_OfNothingIsTheHandlerItself(t *testing.T) {
	want := text("x")
	got, err := middleware.Chain(nil)(answering(want, nil))(t.Context(), "ping", nil)
	if got != mcp.Result(want) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestChain_IsNotChangedByItsCallerLater(t *testing.T) {
	var seen []string
	layers := []mcp.Middleware{tracing(&seen, "a")}
	chain := middleware.Chain(layers...)
	layers[0] = nil
	_, _ = chain(answering(text("x"), nil))(t.Context(), "ping", nil)
	if len(seen) != 2 {
		t.Errorf("got %v", seen)
	}
}
