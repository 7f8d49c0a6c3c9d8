package middleware

import (
	"context"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A record is what the layers of one call tell each other. [Log] puts it into
// the context; it is a context itself, to save the allocation of another.
type record struct {
	context.Context
	base   *zap.Logger
	method string
	tool   string

	// failure is how Errors saw the call, with the cause that its answer
	// does not have. Atomic, because a call that was abandoned at its deadline
	// may have layers below still running.
	failure atomic.Pointer[mcperrors.Error]

	// gate is where the call holds a slot, until it is taken away.
	gate atomic.Pointer[Gate]

	once   sync.Once
	logger *zap.Logger
}

type recordKey struct{}

func (r *record) Value(key any) any {
	if key == (recordKey{}) {
		return r
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
	r.once.Do(func() {
		fields := make([]zap.Field, 0, 3)
		if id := RequestIDFrom(r.Context); id != "" {
			fields = append(fields, zap.String("request_id", id))
		}
		fields = append(fields, zap.String("method", r.method))
		if r.tool != "" {
			fields = append(fields, zap.String("tool", r.tool))
		}
		r.logger = r.base.With(fields...)
	})
	return r.logger
}

// LoggerFrom returns the logger of the call, which adds its request_id, method
// and tool to each entry. Without [Log] it is a logger that drops all; it is
// never nil. What a handler logs through it is not redacted.
func LoggerFrom(ctx context.Context) *zap.Logger {
	if r := recordFrom(ctx); r != nil {
		return r.child()
	}
	return nop
}

var nop = zap.NewNop()
