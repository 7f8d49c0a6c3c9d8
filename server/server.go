package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/internal/slogzap"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/shutdown"
	"github.com/trestle-mcp/trestle/transport"
)

// A Server is an MCP server with its tools, resources and prompts. Make one
// with [New] or a [Factory]; all methods are safe for concurrent use.
type Server struct {
	name, version string
	opts          Options
	mcp           *mcp.Server
	log           *zap.Logger
	seal          *sealer
	names         registry
	notices       notices
	plugins       *plugin.Manager
	health        *health.Monitor
	shutdown      *shutdown.Sequence

	bounds      bounds
	subscribers subscribers

	view      atomic.Pointer[View] // the operator's
	selective atomic.Bool          // something is not there for all
	aliases   atomic.Bool          // some tool has one

	handlerOnce sync.Once
	handler     *transport.HTTPHandler
	handlerErr  error
	counted     atomic.Pointer[transport.HTTPHandler] // handler, for whoever does not make it

	running atomic.Bool
	ready   chan struct{}
	addr    atomic.Pointer[net.Addr]

	admin      atomic.Pointer[http.Server]
	adminAddr  atomic.Pointer[net.Addr]
	adminLocal atomic.Bool // it listens on loopback
}

// New returns a server; nil options mean the production defaults. The name
// and version identify it to clients. All mistakes in the options are
// returned together.
//
// The plugins are started, all of them or none; more can come later, see
// [Server.Plugins]. They belong to this server alone.
func New(name, version string, opts *Options, plugins ...plugin.Plugin) (*Server, error) {
	return NewFactory(opts).New(name, version, plugins...)
}

func newServer(name, version string, given Options, plugins []plugin.Plugin) (*Server, error) {
	opts, err := given.withDefaults()
	if name == "" {
		err = errors.Join(err, errors.New("name: missing; clients show it"))
	}
	if version == "" {
		err = errors.Join(err, errors.New("version: missing; clients show it"))
	}
	seal, sealErr := newSealer(opts.StateKeys, opts.StateTTL, opts.Logger)
	if err = errors.Join(err, sealErr); err != nil {
		return nil, fmt.Errorf("server %q: %w", name, err)
	}
	s := &Server{name: name, version: version, opts: opts, log: opts.Logger, seal: seal, ready: make(chan struct{})}
	s.health = s.newHealth(version)
	s.shutdown = shutdown.New(&shutdown.Options{
		Wait: opts.DrainWait, Drain: opts.DrainTimeout, Logger: slogzap.New(s.log.Named("shutdown"), slog.LevelInfo),
	})
	s.SetView(opts.View)
	s.names.now.Store(new(names))
	s.mcp = mcp.NewServer(
		&mcp.Implementation{Name: name, Title: opts.Title, Version: version, WebsiteURL: opts.WebsiteURL},
		s.sdkOptions(),
	)
	// Once, because a second call would wrap outside of this one.
	s.mcp.AddReceivingMiddleware(s.stack())
	s.mcp.AddSendingMiddleware(s.notices.middleware, s.sendUpdates)
	err = errors.Join(s.addInfo(), s.addEvents(), s.addHealthResource())
	if err == nil { // else they would be started for nothing
		err = s.addPlugins(plugins)
	}
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", name, err)
	}
	return s, nil
}

// sdkOptions declares every capability up front: the SDK infers them when a
// client connects, so what is registered later would not be seen.
func (s *Server) sdkOptions() *mcp.ServerOptions {
	o := &mcp.ServerOptions{
		Instructions: s.opts.Instructions,
		Logger:       slogzap.New(s.log.Named("sdk"), slog.LevelWarn),
		PageSize:     s.opts.PageSize,
		Capabilities: &mcp.ServerCapabilities{
			Tools:       &mcp.ToolCapabilities{ListChanged: true},
			Prompts:     &mcp.PromptCapabilities{ListChanged: true},
			Resources:   &mcp.ResourceCapabilities{ListChanged: true, Subscribe: true},
			Completions: &mcp.CompletionCapabilities{},
			Logging:     &mcp.LoggingCapabilities{},
		},
		CompletionHandler:  s.complete,
		SubscribeHandler:   s.subscribe,
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
		SetCacheable:       keepPrivate,
	}
	if s.opts.SDK != nil {
		s.opts.SDK(o)
	}
	return o
}

// keepPrivate makes private what nobody declared public: the SDK's default
// would let intermediaries share one caller's answer with others.
func keepPrivate(_ context.Context, _ mcp.Request, c *mcp.Cacheable) {
	if c.CacheScope == "" {
		c.CacheScope = "private"
	}
}

// MCP returns the go-sdk server underneath, the way to everything Trestle does
// not wrap. What is added to it directly is served, but not checked for
// duplicates, and its resources cannot be subscribed to.
func (s *Server) MCP() *mcp.Server { return s.mcp }

// Name returns the name given to New.
func (s *Server) Name() string { return s.name }

// Logger returns the server's logger, for what runs outside of calls; in a
// handler, use the function [Logger].
func (s *Server) Logger() *zap.Logger { return s.log }

// ResourceUpdated tells the clients that subscribed to uri that it changed, but
// for those who may not read it any more.
func (s *Server) ResourceUpdated(ctx context.Context, uri string) error {
	return s.mcp.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: uri})
}
