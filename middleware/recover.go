package middleware

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Recover makes a panic below it an Internal error whose cause is a
// [*PanicError]; go-sdk lets a panic end the process. It stands outermost: the
// panic of a handler is answered and logged further in, by [Errors] and [Log],
// and Recover is for the layers around those.
//
// A panic in a goroutine that a handler started is out of any middleware's
// reach.
func Recover() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (res mcp.Result, err error) {
			defer func() {
				if v := recover(); v != nil {
					res, err = nil, panicked(asPanic(v))
				}
			}()
			return next(ctx, method, req)
		}
	}
}
