package middleware

import (
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Chain returns one middleware that runs mw with the first outermost. Nil
// entries are skipped, so an optional layer can be written in place.
//
// Hand a server one Chain in one AddReceivingMiddleware call: a later call
// wraps outside of all earlier ones.
func Chain(mw ...mcp.Middleware) mcp.Middleware {
	mw = slices.Clone(mw)
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		for _, m := range slices.Backward(mw) {
			if m != nil {
				next = m(next)
			}
		}
		return next
	}
}
