package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/internal/slogzap"
	"github.com/trestle-mcp/trestle/transport"
)

// Handler returns the server as an http.Handler that mounts in any router, for
// both eras of the protocol, with [Options.Auth] inside and
// [Options.Authenticate] around it. Each call returns the same handler. The
// error holds every mistake made so far in registering tools, resources and
// prompts.
//
// Give the http.Server that serves it a ReadHeaderTimeout, and call
// [Server.Drain] before its Shutdown.
func (s *Server) Handler() (http.Handler, error) {
	if err := s.names.serve(); err != nil {
		return nil, fmt.Errorf("server %q: %w", s.name, err)
	}
	s.handlerOnce.Do(func() {
		opts := s.opts.HTTP
		if opts.Logger == nil {
			opts.Logger = slogzap.New(s.log.Named("http"), slog.LevelWarn)
		}
		if s.opts.Auth != nil {
			opts.Authenticate = s.opts.Auth.Wrap
			opts.ResourceMetadata = cmp.Or(opts.ResourceMetadata, s.opts.Auth.MetadataURL())
		}
		s.handler, s.handlerErr = transport.NewHTTPHandler(s.mcp, &opts)
		s.counted.Store(s.handler)
	})
	if s.handlerErr != nil {
		return nil, fmt.Errorf("server %q: option HTTP: %w", s.name, s.handlerErr)
	}
	if s.opts.Authenticate != nil {
		return s.opts.Authenticate(s.handler), nil
	}
	return s.handler, nil
}

// Drain makes the handler refuse new calls, waits for running ones until ctx
// ends, and closes what is left. Run does it by itself.
func (s *Server) Drain(ctx context.Context) error {
	if _, err := s.Handler(); err != nil {
		return err
	}
	return s.handler.Drain(ctx)
}

// Run serves until ctx ends, SIGINT or SIGTERM arrives or, on stdio, the client
// closes its side: over HTTP at [Options.Addr], else over stdio. It then lets
// running calls end, for [Options.DrainTimeout]; a second signal ends that at
// once. It returns nil after a stop that lost no call. Run serves once.
//
// All mistakes in registering tools, resources and prompts are returned here,
// together, before anything is served.
func (s *Server) Run(ctx context.Context) error {
	if err := s.names.serve(); err != nil {
		return fmt.Errorf("server %q: %w", s.name, err)
	}
	if !s.running.CompareAndSwap(false, true) {
		return fmt.Errorf("server %q: Run was called twice", s.name)
	}
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)

	serve := s.runStdio
	if s.opts.Addr != "" {
		serve = s.runHTTP
	}
	if err := serve(ctx, stop); err != nil {
		return fmt.Errorf("server %q: %w", s.name, err)
	}
	return nil
}

// Ready is closed when Run serves. It stays open if Run fails before that.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addr returns the address that Run listens on, such as "127.0.0.1:8080"; ""
// before [Server.Ready] and on stdio.
func (s *Server) Addr() string {
	if a := s.addr.Load(); a != nil {
		return (*a).String()
	}
	return ""
}

// drainContext ends after the drain timeout or at the next signal.
func (s *Server) drainContext(stop <-chan os.Signal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), max(0, s.opts.DrainTimeout))
	go func() {
		select {
		case sig := <-stop:
			s.log.Warn("second signal, stopping at once", zap.Stringer("signal", sig))
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// awaitStop returns when ctx ends, a signal arrives or done is closed; it
// reports whether the server has to stop by itself.
func (s *Server) awaitStop(ctx context.Context, stop <-chan os.Signal, done <-chan error) (ended bool, err error) {
	select {
	case err := <-done:
		return true, err
	case <-ctx.Done():
		s.log.Info("draining", zap.String("reason", context.Cause(ctx).Error()))
	case sig := <-stop:
		s.log.Info("draining", zap.String("reason", "signal "+sig.String()))
	}
	return false, nil
}

var errNoAuth = errors.New("refusing to listen beyond loopback without authentication:" +
	" set Options.Auth, or Options.InsecureNoAuth if everybody who reaches the address may call")

// Deadlines of the HTTP server; the transport bounds the body itself, because
// net/http's ReadTimeout would also cut long answers.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)
