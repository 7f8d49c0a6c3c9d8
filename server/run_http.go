package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/internal/slogzap"
)

func (s *Server) runHTTP(ctx context.Context, stop <-chan os.Signal) error {
	handler, err := s.Handler()
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return fmt.Errorf("option Addr: %w", err)
	}
	defer listener.Close() // for the ways out before the http.Server owns it
	addr := listener.Addr()
	if err := s.checkExposure(addr); err != nil {
		return err
	}
	web := &http.Server{
		Handler:           s.mount(handler),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(slogzap.New(s.log.Named("http"), slog.LevelWarn).Handler(), slog.LevelWarn),
	}
	s.addr.Store(&addr)
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	close(s.ready)
	s.log.Info("serving", zap.Stringer("addr", addr), zap.String("path", s.opts.Path))

	if ended, err := s.awaitStop(ctx, stop, done); ended {
		return err
	}
	drain, cancel := s.drainContext(stop)
	defer cancel()
	// First the calls, then the sessions, then the connections: Shutdown alone
	// would wait for open streams, and closing sessions drops running answers.
	err = s.handler.Drain(drain)
	if e := web.Shutdown(drain); e != nil {
		err = errors.Join(err, fmt.Errorf("closing connections: %w", e), web.Close())
	}
	err = errors.Join(err, s.closePlugins(drain))
	s.log.Info("stopped", zap.Error(err))
	return err
}

// checkExposure refuses to serve everybody by accident.
func (s *Server) checkExposure(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if s.authenticates() || (ok && tcp.IP.IsLoopback()) {
		return nil
	}
	if !s.opts.InsecureNoAuth {
		return fmt.Errorf("%s: %w", addr, errNoAuth)
	}
	s.log.Warn("serving everybody who reaches this address: InsecureNoAuth is set", zap.Stringer("addr", addr))
	return nil
}

func (s *Server) authenticates() bool {
	return s.opts.Auth != nil || s.opts.Authenticate != nil || s.opts.HTTP.Authenticate != nil
}

func (s *Server) mount(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(s.opts.Path, h)
	if s.opts.Auth != nil {
		for _, path := range s.opts.Auth.MetadataPaths() {
			mux.Handle(path, s.opts.Auth.Metadata())
		}
	}
	if s.opts.Path == "/" {
		return mux
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not found: this server speaks MCP at "+s.opts.Path, http.StatusNotFound)
	})
	return mux
}
