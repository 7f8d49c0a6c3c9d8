package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/slogzap"
	"github.com/trestle-mcp/trestle/transport"
)

// runStdio serves the process's parent, which may do whatever it may.
func (s *Server) runStdio(ctx context.Context, stop <-chan os.Signal) error {
	stdio := &transport.Stdio{
		DrainTimeout: s.opts.DrainTimeout,
		Logger:       slogzap.New(s.log.Named("stdio"), slog.LevelWarn),
	}
	// The session outlives ctx: it ends by draining.
	session, err := s.mcp.Connect(auth.WithPrincipal(context.WithoutCancel(ctx), auth.Local()), stdio, nil)
	if err != nil {
		return fmt.Errorf("stdio: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- session.Wait() }()
	close(s.ready)
	s.log.Info("serving stdio")

	if ended, err := s.awaitStop(ctx, stop, done); ended {
		return err
	}
	drain, cancel := s.drainContext(stop)
	defer cancel()
	err = stdio.Drain(drain)
	if err != nil {
		err = errors.Join(err, session.Close())
	} else {
		err = <-done
	}
	err = errors.Join(err, s.closePlugins(drain))
	s.log.Info("stopped", zap.Error(err))
	return err
}
