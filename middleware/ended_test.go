package middleware_test

import (
	"context"
	"errors"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

func TestEnded_SeesWhatErrorsSaw(t *testing.T) {
	errCause := errors.New("the cause")
	toolError := &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: "no"}}}
	for name, c := range map[string]struct {
		res    mcp.Result
		err    error
		failed bool
		code   mcperrors.Code
		cause  error
	}{
		"success":    {res: &mcp.CallToolResult{}},
		"tool error": {res: toolError, failed: true},
		"coded":      {err: mcperrors.Wrap(mcperrors.Unavailable, "down", errCause), failed: true, code: mcperrors.Unavailable, cause: errCause},
		"tool coded": {err: mcperrors.Wrap(mcperrors.Conflict, "taken", errCause), failed: true, code: mcperrors.Conflict, cause: errCause},
		"plain":      {err: errCause, failed: true, code: mcperrors.Internal, cause: errCause},
	} {
		t.Run(name, func(t *testing.T) {
			var failed bool
			var e *mcperrors.Error
			observe := func(next mcp.MethodHandler) mcp.MethodHandler {
				return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
					res, err := next(ctx, method, req)
					failed, e = middleware.Ended(ctx, req, res, err)
					return res, err
				}
			}
			handler := func(context.Context, string, mcp.Request) (mcp.Result, error) { return c.res, c.err }
			for layers, chain := range map[string]mcp.Middleware{
				"stack": middleware.Chain(middleware.RequestID(), observe, middleware.Errors()),
				"alone": middleware.Chain(observe, middleware.Errors()),
				"bare":  observe,
			} {
				req := &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "t"}}
				_, _ = chain(handler)(t.Context(), "tools/call", req)
				if failed != c.failed || (e == nil) != (c.code == "") {
					t.Fatalf("%s: failed %v, %v", layers, failed, e)
				}
				if e != nil && e.Code != c.code {
					t.Errorf("%s: code %q", layers, e.Code)
				}
				if layers != "alone" && !errors.Is(e, c.cause) && c.cause != nil {
					t.Errorf("%s: no cause in %v", layers, e)
				}
			}
		})
	}
}
