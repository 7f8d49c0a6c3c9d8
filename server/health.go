package server

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/internal/slogzap"
)

// HealthURI is the resource of [Options.HealthResource].
const HealthURI = "health://status"

// Health returns what knows how the server does. Register there what tools
// depend on; whatever has a method Check(ctx) error can be. Run watches those of
// its options by itself, see [Options]. Where there is no Run, serve its Handler
// and close it.
func (s *Server) Health() *health.Monitor { return s.health }

func (s *Server) newHealth(version string) *health.Monitor {
	return health.New(&health.Options{
		Service: s.name, Release: version, Details: s.mayOperate,
		Logger: slogzap.New(s.log.Named("health"), slog.LevelInfo),
	})
}

// watchOptions registers what the options hold and can be checked. Nothing of
// it is critical but an audit that calls must not go without: a server that
// shares sessions or budgets works on without, and if all replicas left because
// the same Redis is down, nobody would be left.
func (s *Server) watchOptions() {
	watch := func(name string, v any, critical bool) {
		if c, ok := v.(health.Checker); ok {
			// The only failure is a check of that name, which then is the user's own.
			_, _ = s.health.Register(health.Check{Name: name, Checker: c, Optional: !critical})
		}
	}
	watch("sessions", s.opts.HTTP.SessionStore, false)
	watch("session events", s.opts.HTTP.EventStore, false)
	watch("audit", s.opts.Audit, s.opts.AuditFailClosed)
	watch("plugins", s.plugins, false)
}

// addHealthResource registers HealthURI. Over stdio the reader is the operator;
// elsewhere the policy says who is.
func (s *Server) addHealthResource() error {
	if !s.opts.HealthResource {
		return nil
	}
	return AddResource(s, Resource{
		URI: HealthURI, Name: "health", Title: "Health", MIMEType: "application/health+json",
		Description: "How the server does: its state and, for operators, that of what it depends on.",
	}, func(context.Context) (string, error) {
		overHTTP := s.opts.Addr != "" || s.counted.Load() != nil
		if !overHTTP || s.opts.Policy != nil {
			return string(s.health.JSON()), nil
		}
		return `{"status":"` + s.health.Status().Word() + `"}`, nil
	})
}

// mayOperate decides who is shown details.
func (s *Server) mayOperate(r *http.Request) bool {
	if allow := s.opts.Admin.Authorize; allow != nil {
		return allow(r)
	}
	return s.adminLocal.Load()
}
