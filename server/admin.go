package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/health"
)

// Admin is a second listener of Run, for probes, metrics and who operates the
// server. It serves
//
//	/livez /readyz /startupz   see package health
//	/metrics                   Metrics
//	/buildinfo                 what was built from what, as JSON
//	/debug/pprof/              profiles, for go tool pprof
//
// It is open from the start to the very end of Run, a drain included. Nothing
// about it needs a token by itself: keep it from those who call tools.
type Admin struct {
	// Addr is where it listens, such as "127.0.0.1:9090"; port 0 picks a free one,
	// see [Server.AdminAddr]. Empty means that there is none.
	Addr string
	// AllowedHosts are the names by which it is asked for, without ports. Addresses
	// and localhost always are: no web page can make a browser send those for its
	// own.
	AllowedHosts []string
	// Authorize decides who sees details: what each health check says, build
	// information and profiles. It is called by many requests at once. Nil means
	// everybody if Addr is on loopback, else nobody.
	Authorize func(*http.Request) bool
	// Metrics answers at /metrics whoever reaches Addr. Nil means that nothing
	// does.
	Metrics http.Handler
	// Pprof serves profiles. Beyond loopback it needs Authorize.
	Pprof bool
}

// check returns what is wrong with a.
func (a *Admin) check() error {
	var mistakes []error
	if a.Addr == "" && (a.Metrics != nil || a.Pprof) {
		mistakes = append(mistakes, errors.New("option Admin.Addr: missing, so nothing of Admin is served"))
	}
	for _, host := range a.AllowedHosts {
		if host == "" || strings.ContainsAny(host, ":/ ") {
			mistakes = append(mistakes, fmt.Errorf("option Admin.AllowedHosts: %q is not a name alone", host))
		}
	}
	return errors.Join(mistakes...)
}

// AdminAddr returns the address that [Admin.Addr] came to; "" before
// [Server.Ready] and without one.
func (s *Server) AdminAddr() string {
	if a := s.adminAddr.Load(); a != nil {
		return (*a).String()
	}
	return ""
}

// openAdmin listens at Admin.Addr, if there is one, until closeAdmin.
func (s *Server) openAdmin(ctx context.Context) error {
	a := &s.opts.Admin
	if a.Addr == "" {
		return nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", a.Addr)
	if err != nil {
		return fmt.Errorf("option Admin.Addr: %w", err)
	}
	addr := listener.Addr()
	tcp, ok := addr.(*net.TCPAddr)
	local := ok && tcp.IP.IsLoopback()
	if a.Pprof && !local && a.Authorize == nil {
		return errors.Join(fmt.Errorf("%s: %w", addr, errOpenPprof), listener.Close())
	}
	s.adminLocal.Store(local)
	s.adminAddr.Store(&addr)
	web := s.newWeb(s.adminHandler())
	web.WriteTimeout = maxProfile + writeSlack
	s.admin.Store(web)
	go func() { // ends with closeAdmin
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the admin listener ended", zap.Error(err))
		}
	}()
	s.log.Info("serving operators", zap.Stringer("addr", addr))
	return nil
}

var errOpenPprof = errors.New("option Admin.Pprof: profiles show memory; beyond loopback set Admin.Authorize, too")

func (s *Server) closeAdmin() {
	if web := s.admin.Load(); web != nil {
		_ = web.Close() // nobody waits for its answers
	}
}

func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	probes := s.health.Handler()
	mux.Handle(health.PathLive, probes)
	mux.Handle(health.PathReady, probes)
	mux.Handle(health.PathStartup, probes)
	mux.Handle("GET /buildinfo", s.operators(s.buildInfo()))
	if s.opts.Admin.Metrics != nil {
		mux.Handle("GET /metrics", s.opts.Admin.Metrics)
	}
	if s.opts.Admin.Pprof {
		mux.Handle("GET /debug/pprof/", s.operators(profiles()))
	}
	return s.namedRightly(mux)
}

// operators lets only those in who see details.
func (s *Server) operators(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page of another site cannot read what it has the operator's browser ask
		// for here, but could keep the server busy with profiles.
		foreign := r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Dest") != "document"
		if foreign || !s.mayOperate(r) {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// namedRightly keeps web pages out that had their own name point here.
func (s *Server) namedRightly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		_, err := netip.ParseAddr(strings.Trim(host, "[]"))
		known := func(name string) bool { return strings.EqualFold(name, host) }
		if err != nil && !known("localhost") && !slices.ContainsFunc(s.opts.Admin.AllowedHosts, known) {
			http.Error(w, "this Host is not served: see Admin.AllowedHosts", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
