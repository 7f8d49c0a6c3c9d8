package trestle

import (
	"context"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/bench/internal/fixture"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

// Limits that are armed and counted for every call, and that no run reaches.
const (
	maxInFlight = 1 << 20
	maxCalls    = 1 << 30
	longEnough  = 24 * time.Hour
)

func production(extra int, log io.Writer) (http.Handler, error) {
	policy, err := auth.NewPolicy(auth.PolicySpec{Anonymous: []string{"read:resources", "execute:tools:*"}})
	if err != nil {
		return nil, err
	}
	s, err := server.New(fixture.ServerName, fixture.ServerVersion, &server.Options{
		Logger:      loggerTo(log),
		MaxInFlight: maxInFlight,
		Policy:      policy,
		RateLimits:  []ratelimit.Rule{{Name: "all", Limiter: ratelimit.SlidingCounter(maxCalls, time.Second)}},
		Timeout:     longEnough,
		HTTP:        transport.Options{SessionIdle: longEnough, MaxSessions: manySessions, MaxSessionsPerPrincipal: manySessions},
	})
	if err != nil {
		return nil, err
	}
	// Mistakes are returned by Handler, all together.
	_ = server.AddTool(s, server.Tool{Name: fixture.AddName, Description: fixture.AddDescription, ReadOnly: true},
		func(_ context.Context, in fixture.AddIn) (fixture.AddOut, error) { return sum(in), nil })
	_ = server.AddTool(s, server.Tool{Name: fixture.EchoName, Description: fixture.EchoDescription, ReadOnly: true},
		func(_ context.Context, in fixture.EchoIn) (string, error) { return in.Text, nil })
	for i := range extra {
		t := fixture.Extra(i)
		_ = server.AddTool(s, server.Tool{Name: t.Name, Description: t.Description, ReadOnly: true},
			func(_ context.Context, in fixture.ExtraIn) (string, error) { return in.Query, nil })
	}
	return s.Handler()
}

// loggerTo is the server's default logger but for where it writes.
func loggerTo(w io.Writer) *zap.Logger {
	return zap.New(zapcore.NewCore(middleware.NewLogEncoder(), zapcore.Lock(zapcore.AddSync(w)), zap.InfoLevel))
}
