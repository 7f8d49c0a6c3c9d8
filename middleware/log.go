package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/internal/redact"
)

// LogOptions configures [Log]. The zero value is ready to use.
type LogOptions struct {
	// Principal names the caller; "" is left out. At most 256 bytes are logged.
	Principal func(ctx context.Context) string
}

// Log writes one record "mcp call" for each call and notification, also when
// it panics, and gives the call its own logger, see [LoggerFrom]. A nil logger
// logs nothing. The fields, left out where empty:
//
//	method      the JSON-RPC method
//	tool        or prompt: the name, at most 128 bytes
//	resource    the URI without user, query and fragment, redacted, at most 128 bytes
//	principal   see LogOptions
//	request_id  see RequestID
//	session     the first 8 characters of the session id: enough to follow one, too few to join it
//	protocol    the protocol version
//	duration
//	outcome     ok, refused, canceled, failed, or tool_error for an isError result without a code
//	code        the code of a failure
//	cause       its cause, redacted, at most 4 KiB; never that of a validation error
//	stack       of a panic
//
// They are one inlined field: a test finds them in the ContextMap of an observed
// entry.
//
// Arguments, results and public messages of errors, which may repeat arguments,
// are in no field. A failed call is an error when its code is internal, else a
// warning; unauthenticated and authorization are warnings; all else is info,
// and debug where a ping, a list or a notification succeeded.
func Log(logger *zap.Logger, opts LogOptions) mcp.Middleware {
	if logger == nil {
		logger = nop
	}
	l := &callLog{logger: logger, principal: opts.Principal}
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			return l.handle(ctx, next, method, req)
		}
	}
}

type callLog struct {
	logger    *zap.Logger
	principal func(context.Context) string
}

func (l *callLog) handle(ctx context.Context, next mcp.MethodHandler, method string, req mcp.Request) (mcp.Result, error) {
	rec := recordFrom(ctx)
	if rec == nil || rec.req != req || !rec.logs.CompareAndSwap(false, true) {
		rec = &record{Context: ctx}
		ctx = rec
	}
	rec.base, rec.method, rec.target, rec.start = l.logger, method, targetOf(req), time.Since(epoch)
	returned := false
	defer func() {
		if returned {
			return
		}
		// Errors is not below, or panicked itself. The panic goes on, for
		// Recover to answer; v is nil when the goroutine is ending.
		if v := recover(); v != nil {
			p := asPanic(v)
			l.write(ctx, rec, req, nil, panicked(p))
			panic(p)
		}
	}()
	res, err := next(ctx, method, req)
	returned = true
	l.write(ctx, rec, req, res, err)
	return res, err
}

func (l *callLog) write(ctx context.Context, rec *record, req mcp.Request, res mcp.Result, err error) {
	v := judge(rec, res, err)
	entry := l.logger.Check(v.level, "mcp call")
	if entry == nil {
		return
	}
	rec.end = ending{verdict: v, session: sessionOf(req), protocol: era.Version(req), duration: time.Since(epoch) - rec.start}
	if l.principal != nil {
		rec.end.principal = clip(l.principal(ctx), maxPrincipal)
	}
	entry.Write(zap.Inline((*callLine)(rec)))
}

// An ending is what Log finds out at the end of a call.
type ending struct {
	verdict

	principal, session, protocol string
	duration                     time.Duration
}

// A callLine is a record as it is written. Its fields are inlined one by one,
// which spares an array of all of them.
type callLine record

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (c *callLine) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	before, after := c.fields()
	add := func(all []field) {
		for _, f := range all {
			if f.text != "" {
				enc.AddString(f.key, f.text)
			}
		}
	}
	add(before[:])
	enc.AddDuration("duration", c.end.duration)
	add(after[:])
	return nil
}

// A field is part of a line, unless its text is empty.
type field struct{ key, text string }

// fields returns what stands before and after the duration.
func (c *callLine) fields() (before [6]field, after [4]field) {
	before = [6]field{
		{"method", c.method},
		{c.target.key, c.target.name()},
		{"principal", c.end.principal},
		{"request_id", RequestIDFrom((*record)(c))},
		{"session", c.end.session},
		{"protocol", c.end.protocol},
	}
	after = [4]field{{"outcome", c.end.outcome}, {"code", string(c.end.code)}}
	if c.end.cause != nil {
		after[2] = field{"cause", causeText(c.end.cause)}
		if p, ok := errors.AsType[*PanicError](c.end.cause); ok {
			after[3] = field{"stack", string(p.Stack)}
		}
	}
	return before, after
}

// note tells Log how Errors saw the call.
func note(ctx context.Context, e *mcperrors.Error) {
	if r := recordFrom(ctx); r != nil {
		r.failure.Store(e)
	}
}

// causeText survives an Error method that panics, such as that of a typed nil.
func causeText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "the cause's Error method panicked"
		}
	}()
	// Cut first, a secret could lose what it is known by.
	return clip(redact.String(err.Error()), maxCause)
}
