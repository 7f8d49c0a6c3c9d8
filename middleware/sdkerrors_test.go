package middleware_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

// These texts are all that Errors can tell go-sdk's own errors by. Where one
// of them changes, sdkerrors.go has to change too.
func TestSDK_SaysWhatErrorsReliesOn(t *testing.T) {
	var failure error
	capture := func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			failure = middleware.Failure(res, err)
			return res, err
		}
	}
	s := bare(capture)
	s.AddPrompt(&mcp.Prompt{Name: "p"}, nil)
	s.AddResource(&mcp.Resource{Name: "r", URI: "x://r"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "typed"},
		func(context.Context, *mcp.CallToolRequest, struct{ N int }) (*mcp.CallToolResult, any, error) {
			return nil, nil, nil
		})
	tool(s, "sheds", func(context.Context) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{}}, nil
	})
	cs := dial(t, s, legacy)

	wantText := func(want string) {
		t.Helper()
		if failure == nil || failure.Error() != want {
			t.Errorf("the SDK says %q, want %q", failure, want)
		}
	}
	_, _ = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "no"})
	wantText(`unknown tool "no"`)
	if wire, ok := failure.(*jsonrpc.Error); !ok || wire.Code != jsonrpc.CodeInvalidParams || wire.Data != nil { //nolint:errorlint // exactly
		t.Errorf("got %#v", failure)
	}
	_, _ = cs.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "no"})
	wantText(`unknown prompt "no"`)
	_, _ = cs.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "x://no"})
	wantText("Resource not found")
	if wire, ok := failure.(*jsonrpc.Error); !ok || wire.Code != jsonrpc.CodeInvalidParams { //nolint:errorlint // exactly
		t.Errorf("got %#v", failure)
	}
	_, _ = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "sheds"})
	wantText("the server is busy, retry later")
	_, _ = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "typed", Arguments: map[string]any{"N": "x"}})
	const prefix = `validating "arguments": `
	if failure == nil || len(failure.Error()) < len(prefix) || failure.Error()[:len(prefix)] != prefix {
		t.Errorf("the SDK says %q, want %q…", failure, prefix)
	}
}

// Why Errors makes the error of a missing resource anew.
func TestSDK_MakesInvalidJSONOfControlCharacters(t *testing.T) {
	wire := wireError(t, mcp.ResourceNotFoundError("x://\x01"))
	if json.Valid(wire.Data) {
		t.Error("the SDK encodes the URI now: sdkError may keep its data")
	}
}

func TestErrors_ShedsLoadAsTheHandlerAsked(t *testing.T) {
	s := bare(middleware.Errors())
	tool(s, "sheds", func(context.Context) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{}}, nil
	})
	_, err := dial(t, s, legacy).CallTool(t.Context(), &mcp.CallToolParams{Name: "sheds"})
	wantCode(t, err, mcperrors.Exhausted)
}
