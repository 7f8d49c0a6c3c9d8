package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/slogzap"
	"github.com/trestle-mcp/trestle/shutdown"
	"github.com/trestle-mcp/trestle/transport"
)

// runStdio serves the process's parent, which may do whatever it may.
func (s *Server) runStdio(ctx context.Context) error {
	if err := s.openAdmin(ctx); err != nil {
		return err
	}
	stdio := &transport.Stdio{
		DrainTimeout: max(s.opts.DrainTimeout, time.Nanosecond), // to it, negative means no limit
		Logger:       slogzap.New(s.log.Named("stdio"), slog.LevelWarn),
	}
	// The session outlives ctx: it ends by draining.
	session, err := s.mcp.Connect(auth.WithPrincipal(context.WithoutCancel(ctx), auth.Local()), stdio, nil)
	if err != nil {
		return fmt.Errorf("stdio: %w", err)
	}
	s.OnShutdown(shutdown.Hook{Name: "calls", Stage: shutdown.Drain, Run: func(ctx context.Context) error {
		if err := stdio.Drain(ctx); err != nil {
			return errors.Join(err, session.Close())
		}
		return nil
	}})
	if ctx.Err() != nil { // told to stop before it began
		return errors.Join(ctx.Err(), session.Close())
	}
	close(s.ready)
	s.log.Info("serving stdio")
	return session.Wait()
}
