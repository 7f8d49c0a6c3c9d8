// Package answerheader lets a middleware add to the header of the HTTP answer
// to its call, on transports that can.
package answerheader

import (
	"context"

	"github.com/trestle-mcp/trestle/internal/watchdog"
)

// A Setter is a call whose answer has a header of its own.
type Setter interface {
	// SetHeader sets a field of the answer's header, unless that was sent. It
	// may be called from any goroutine.
	SetHeader(name, value string)
}

// From returns what sets the header of the answer to the call of ctx, or nil.
// It is an ability of the call that [watchdog.From] knows, so that transports
// have one value to offer.
func From(ctx context.Context) Setter {
	s, _ := ctx.Value(watchdog.Key{}).(Setter)
	return s
}
