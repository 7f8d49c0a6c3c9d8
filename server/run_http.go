package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/internal/slogzap"
	"github.com/trestle-mcp/trestle/shutdown"
)

func (s *Server) runHTTP(ctx context.Context) error {
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
	// Not before callers can connect: who is told that it is ready sends calls.
	if err := s.openAdmin(ctx); err != nil {
		return err
	}
	fresh := newConns{open: map[net.Conn]struct{}{}}
	web := s.newWeb(s.leaving(s.mount(handler)))
	web.ConnState = fresh.note
	web.RegisterOnShutdown(fresh.close)
	calls := shutdown.HTTPServer("calls", web)
	closeConnections := calls.Run
	calls.Run = func(ctx context.Context) error {
		// First the calls, then the sessions, then the connections: Shutdown alone
		// would wait for open streams, and closing sessions drops running answers.
		return errors.Join(s.handler.Drain(ctx), closeConnections(ctx))
	}
	s.OnShutdown(calls)
	if ctx.Err() != nil { // told to stop before it began
		return ctx.Err()
	}
	s.addr.Store(&addr)
	close(s.ready)
	s.log.Info("serving", zap.Stringer("addr", addr), zap.String("path", s.opts.Path))
	return web.Serve(listener)
}

func (s *Server) newWeb(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(slogzap.New(s.log.Named("http"), slog.LevelWarn).Handler(), slog.LevelWarn),
	}
}

// leaving closes connections after their answers once the server is not ready:
// who balances connections rather than requests sends the next one elsewhere.
func (s *Server) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.health.Draining() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// newConns are connections on which nothing was received yet, as clients open
// in advance. [http.Server.Shutdown] would wait for them for 5 seconds.
type newConns struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// lastWords is how long a request may be on its way on such a connection. It is
// refused with the rest, and its client knows that it may try again.
const lastWords = 200 * time.Millisecond

// note is an [http.Server.ConnState].
func (n *newConns) note(c net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state != http.StateNew {
		delete(n.open, c)
		return
	}
	n.open[c] = struct{}{}
	if n.closed {
		_ = c.SetReadDeadline(time.Now().Add(lastWords)) // fails if it is gone
	}
}

// close ends those that stay silent, and those that still come.
func (n *newConns) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for c := range n.open {
		_ = c.SetReadDeadline(time.Now().Add(lastWords)) // as above
	}
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
