package server

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/redact"
)

// audit returns the layer that records calls, or nil without a sink.
func (o *Options) audit() mcp.Middleware {
	if o.Audit == nil {
		return nil
	}
	return auth.Audit(auth.AuditOptions{
		Sink: o.Audit, Policy: o.Policy, RequestID: RequestID, FailClosed: o.AuditFailClosed,
		OnError: func(r *auth.AuditRecord, err error) {
			o.Logger.Error("audit record refused", zap.String("request_id", r.RequestID), zap.String("method", r.Method),
				zap.String("cause", redact.String(err.Error())))
		},
	})
}

// AuditLog is a sink that writes one entry "audit" a record, at level info, with
// the fields call_time, duration, request_id, trace_id, principal, tenant, method,
// actions, arguments (their digest), decision ("allowed" or "denied"), reason and
// outcome; those that are empty are left out.
//
// It says that a record is kept once zap took it. A logger that samples or drops
// entries is not for this.
func AuditLog(logger *zap.Logger) auth.Sink { return auditLog{logger} }

type auditLog struct{ logger *zap.Logger }

// Audit implements [auth.Sink].
func (l auditLog) Audit(_ context.Context, r *auth.AuditRecord) error {
	fields := []zap.Field{zap.Time("call_time", r.Time), zap.Duration("duration", r.Duration), zap.String("method", r.Method)}
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, zap.String(key, value))
		}
	}
	add("request_id", r.RequestID)
	add("trace_id", r.TraceID)
	add("principal", r.Principal)
	add("tenant", r.Tenant)
	if len(r.Actions) > 0 {
		actions := make([]string, len(r.Actions))
		for i, a := range r.Actions {
			actions[i] = redact.Name(a.String())
		}
		fields = append(fields, zap.Strings("actions", actions))
	}
	add("arguments", r.Arguments)
	decision := "allowed"
	if r.Denied {
		decision = "denied"
	}
	add("decision", decision)
	add("reason", r.Reason())
	add("outcome", r.Outcome)
	l.logger.Info("audit", fields...)
	return nil
}
