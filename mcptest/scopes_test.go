package mcptest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestFails_ShowsOverEveryTransportWhatARefusalNeeds(t *testing.T) {
	var refusal error
	policy := func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "tools/call" {
				return nil, refusal
			}
			return next(ctx, method, req)
		}
	}
	srv, err := server.New("guarded", "1.0.0", &server.Options{Logger: zap.NewNop(), Middleware: []mcp.Middleware{policy}})
	if err != nil {
		t.Fatal(err)
	}
	err = server.AddTool(srv, server.Tool{Name: "add", Description: "Add two integers."},
		func(context.Context, addIn) (addOut, error) { t.Error("the handler ran"); return addOut{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		for _, code := range []mcperrors.Code{
			mcperrors.Unauthenticated, mcperrors.Authorization, mcperrors.RateLimited, mcperrors.Unavailable, mcperrors.Exhausted,
		} {
			refusal = &mcperrors.Error{Code: code, Message: "told", Scopes: []string{"a", "b"}, RetryAfter: time.Second}
			seen := mcperrors.From(c.Call("add", addIn{}).Fails(code).Err)
			scoped := code == mcperrors.Unauthenticated || code == mcperrors.Authorization
			if slices.Equal(seen.Scopes, []string{"a", "b"}) != scoped || seen.RetryAfter != time.Second || seen.Message != "told" {
				t.Errorf("%s: scopes %q, retry after %v, %q", code, seen.Scopes, seen.RetryAfter, seen.Message)
			}
		}
	})
}
