package middleware

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Ended tells a layer between [Log] and [Errors], such as one that measures,
// how the call that it passed on has ended: whether it failed, and the error as
// Errors saw it, with its cause, which its answer does not have. The error is
// nil for an isError result that a tool wrote itself. ctx is what the layer was
// given, and res and err what came back.
//
// Without RequestID outside and Errors inside, the error is what can be read
// from the answer. Ended does not allocate unless it has to do that.
func Ended(ctx context.Context, req mcp.Request, res mcp.Result, err error) (failed bool, e *mcperrors.Error) {
	if err == nil {
		if tool, ok := res.(*mcp.CallToolResult); !ok || tool == nil || !tool.IsError {
			return false, nil
		}
	}
	if rec := recordFrom(ctx); rec != nil && rec.req == req {
		if e := rec.failure.Load(); e != nil {
			return true, e
		}
	}
	failure := Failure(res, err)
	if errors.Is(failure, errTool) {
		return true, nil
	}
	return true, mcperrors.From(failure)
}
