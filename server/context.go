package server

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/middleware"
)

// call is what the accessors below know of the running call, and its context.
type call struct {
	context.Context
	server  *Server
	method  string
	req     mcp.Request
	session *mcp.ServerSession
	ask     asking
}

type callKey struct{}

// Value implements [context.Context].
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// withCall is the innermost middleware.
func (s *Server) withCall(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if isList(method) {
			return s.list(ctx, method, req, next)
		}
		session, _ := req.GetSession().(*mcp.ServerSession)
		return next(&call{Context: ctx, server: s, method: method, req: req, session: session}, method, req)
	}
}

// RequestID returns the id of the running call, which its log record and any
// error carry too; "" outside of a call.
func RequestID(ctx context.Context) string { return middleware.RequestIDFrom(ctx) }

// Logger returns the server's logger with the fields of the running call. It is
// never nil; outside of a call it discards.
func Logger(ctx context.Context) *zap.Logger { return middleware.LoggerFrom(ctx) }

// URI returns the URI that a resource handler was asked for; "" elsewhere.
func URI(ctx context.Context) string {
	if c := callFrom(ctx); c != nil {
		if p, ok := c.req.GetParams().(*mcp.ReadResourceParams); ok {
			return p.URI
		}
	}
	return ""
}

// ClientCapabilities returns what the client of the running call can do; it is
// never nil, and empty outside of a call. Do not change it.
func ClientCapabilities(ctx context.Context) *mcp.ClientCapabilities {
	if c := callFrom(ctx); c != nil {
		return c.capabilities()
	}
	return new(mcp.ClientCapabilities)
}

func (c *call) capabilities() *mcp.ClientCapabilities { return capabilitiesOf(c.req) }

func capabilitiesOf(req mcp.Request) *mcp.ClientCapabilities {
	r, ok := req.(interface {
		ClientCapabilities() *mcp.ClientCapabilities
	})
	if ok {
		if caps := r.ClientCapabilities(); caps != nil {
			return caps
		}
	}
	return new(mcp.ClientCapabilities)
}

// Progress tells the client how far the running call is: done out of total
// (zero: unknown), in any unit, with a text for people that may be empty. done
// must grow with each call. It does nothing if the client did not ask for
// progress, and never fails a call: a notification that cannot be sent is only
// logged.
func Progress(ctx context.Context, done, total float64, message string) {
	c := callFrom(ctx)
	if c == nil || c.session == nil {
		return
	}
	p, ok := c.req.GetParams().(mcp.RequestParams)
	if !ok || p.GetProgressToken() == nil {
		return
	}
	err := c.session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
		ProgressToken: p.GetProgressToken(), Progress: done, Total: total, Message: message,
	})
	if err != nil {
		Logger(ctx).Debug("progress not sent", zap.Error(err))
	}
}

// LogToClient sends a log message to the client of the running call, if it
// asked for messages of this level: in legacy by logging/setLevel, in modern by
// the call's _meta. data is whatever encodes as JSON, often a string. Do not
// send what the caller may not know. Like [Progress], it never fails a call.
//
// The protocol deprecates it as of 2026-07-28 (SEP-2577): prefer the
// server's own log, see [Logger].
func LogToClient(ctx context.Context, level mcp.LoggingLevel, data any) {
	c := callFrom(ctx)
	if c == nil || c.session == nil {
		return
	}
	err := c.session.Log(ctx, &mcp.LoggingMessageParams{Level: level, Logger: c.server.name, Data: data})
	if err != nil {
		Logger(ctx).Debug("client log message not sent", zap.Error(err))
	}
}
