package middleware

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A record is one call: what its layers tell each other, and the contexts that
// they hand down, in one allocation. The outermost layer in need of it makes it;
// a layer below takes its part, unless another call did: a handler may pass its
// context on to a server of its own.
type record struct {
	context.Context // of the caller

	// of RequestID
	id  string
	req mcp.Request // whose record it is

	// of Log
	logs   atomic.Bool // the part is taken
	base   *zap.Logger
	method string
	target target
	start  time.Duration // since epoch
	logger atomic.Pointer[zap.Logger]
	end    ending

	// failure is how Errors saw the call, with the cause that its answer
	// does not have. Atomic, because a call that was abandoned at its deadline
	// may have layers below still running.
	failure atomic.Pointer[mcperrors.Error]

	// gate is where the call holds a slot, until it is taken away.
	gate atomic.Pointer[Gate]

	// of Deadline
	watches atomic.Bool // the part is taken
	watched watched
}

type recordKey struct{}

// Value implements [context.Context].
func (r *record) Value(key any) any {
	switch key {
	case recordKey{}:
		return r
	case requestIDKey{}:
		if r.id != "" {
			return &r.id
		}
	}
	return r.Context.Value(key)
}

func recordFrom(ctx context.Context) *record {
	r, _ := ctx.Value(recordKey{}).(*record)
	return r
}

// child makes the call's logger when it is first asked for: most calls never
// ask, and it costs more than all the rest of Log.
func (r *record) child() *zap.Logger {
	if made := r.logger.Load(); made != nil {
		return made
	}
	fields := make([]zap.Field, 0, 3)
	if id := RequestIDFrom(r); id != "" {
		fields = append(fields, zap.String("request_id", id))
	}
	fields = append(fields, zap.String("method", r.method))
	if r.target.key == "tool" {
		fields = append(fields, zap.String("tool", r.target.name()))
	}
	r.logger.CompareAndSwap(nil, r.base.With(fields...)) // of two that do this at once one is kept
	return r.logger.Load()
}

// epoch is what start counts from: so the clock is read at half the cost.
var epoch = time.Now()

// LoggerFrom returns the logger of the call, which adds its request_id, method
// and tool to each entry. Without [Log] it is a logger that drops all; it is
// never nil. What a handler logs through it is not redacted.
func LoggerFrom(ctx context.Context) *zap.Logger {
	if r := recordFrom(ctx); r != nil && r.base != nil {
		return r.child()
	}
	return nop
}

var nop = zap.NewNop()
