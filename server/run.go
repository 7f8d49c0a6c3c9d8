package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/trestle-mcp/trestle/internal/slogzap"
	"github.com/trestle-mcp/trestle/shutdown"
	"github.com/trestle-mcp/trestle/transport"
)

// Handler returns the server as an http.Handler that mounts in any router, for
// both eras of the protocol, with [Options.Auth] inside and
// [Options.Authenticate] around it. Each call returns the same handler. The
// error holds every mistake made so far in registering tools, resources and
// prompts.
//
// Give the http.Server that serves it a ReadHeaderTimeout, and call
// [Server.Drain] before its Shutdown, as a hook of package shutdown does.
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

// Drain makes the server unready and its handler refuse new calls, waits for
// running ones until ctx ends, and closes what is left. Then it stops the
// plugins; for that there is a second, even if ctx has ended. Run does it by
// itself.
func (s *Server) Drain(ctx context.Context) error {
	if _, err := s.Handler(); err != nil {
		return err
	}
	s.health.Drain()
	return errors.Join(s.handler.Drain(ctx), s.closePlugins(ctx))
}

// Run serves until ctx ends, SIGINT or SIGTERM arrives or, on stdio, the client
// closes its side: over HTTP at [Options.Addr], else over stdio. Then it stops in
// the order of package shutdown: it says that it is not ready and serves on for
// [Options.DrainWait]; it refuses new calls and lets running ones end, for
// [Options.DrainTimeout]; it calls the hooks of [Server.OnShutdown]. A second
// signal ends all that at once.
//
// It returns nil after a stop that lost nothing; [shutdown.ExitCode] makes an
// exit status of what it returns. Run serves once.
//
// All mistakes in registering tools, resources and prompts are returned here,
// together, before anything is served; the hooks are called then, too.
func (s *Server) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return fmt.Errorf("server %q: Run was called twice", s.name)
	}
	defer s.closeAdmin() // last of all: who looks sees the whole end
	defer ReserveHeap(s.opts.HeapReserve)()
	s.OnShutdown(shutdown.Hook{Name: "readiness", Stage: shutdown.Unready, Run: func(context.Context) error {
		s.health.Drain()
		return nil
	}})
	s.OnShutdown(shutdown.Hook{Name: "health", Run: s.health.Close})
	s.OnShutdown(shutdown.Hook{Name: "plugins", Run: s.plugins.Close})
	if err := s.shutdown.Run(ctx, s.serve); err != nil {
		return fmt.Errorf("server %q: %w", s.name, err)
	}
	return nil
}

// serve returns when nothing is served any more.
func (s *Server) serve(ctx context.Context) error {
	if err := s.names.serve(); err != nil {
		return err
	}
	s.watchOptions()
	if s.opts.Addr != "" {
		return s.runHTTP(ctx)
	}
	return s.runStdio(ctx)
}

// OnShutdown has h called when Run stops: to close what tools use, in reverse
// order, or to flush telemetry; see [shutdown.Hook]. remove takes it back.
// Without Run nothing calls it.
func (s *Server) OnShutdown(h shutdown.Hook) (remove func()) { return s.shutdown.Add(h) }

// ShutdownLimit is the longest that a stop of Run takes with the hooks there are
// now. Give the process more than that before it is killed.
func (s *Server) ShutdownLimit() time.Duration { return s.shutdown.Limit() }

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

var errNoAuth = errors.New("refusing to listen beyond loopback without authentication:" +
	" set Options.Auth, or Options.InsecureNoAuth if everybody who reaches the address may call")

// Deadlines of the HTTP server; the transport bounds the body itself, because
// net/http's ReadTimeout would also cut long answers.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)
