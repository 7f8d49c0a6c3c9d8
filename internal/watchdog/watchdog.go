// Package watchdog lets a deadline answer a call whose handler ignores it, on
// transports that run handlers on the request's own goroutine: the answer is
// written by the timer, and no call needs a goroutine more.
package watchdog

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Caller can be answered while its handler still runs.
type Caller interface {
	// Answer sends the answer at once, and reports false if there was one
	// already. What the handler returns later is dropped. It may be called
	// from any goroutine.
	Answer(res mcp.Result, err error) bool
}

// Key is the key of the context value that holds the [Caller]. It is exported
// for transports whose call is a context itself.
type Key struct{}

// From returns who waits for the call of ctx, or nil where the transport cannot
// answer before the handler returns.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(Key{}).(Caller)
	return c
}
