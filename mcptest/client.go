package mcptest

import (
	"context"
	"slices"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/server"
)

// A Client is connected to the server under test. Its go-sdk session is
// embedded, so every method of it is at hand; [Client.Call] is for tests.
// It is safe for concurrent use, but its methods that fail the test must run on
// the test's goroutine.
type Client struct {
	*mcp.ClientSession
	tb testing.TB
}

// An Option changes how [New] connects.
type Option func(*config)

type config struct {
	connect   func(testing.TB, *server.Server, *config) mcp.Transport
	version   string
	client    *mcp.ClientOptions
	principal *auth.Principal
}

// OverHTTP connects over HTTP on loopback instead of in memory.
func OverHTTP() Option { return func(c *config) { c.connect = overHTTP } }

// OverStdio connects through pipes and the stdio transport instead of in memory.
func OverStdio() Option { return func(c *config) { c.connect = overStdio } }

// Legacy speaks 2025-11-25, the last version with a handshake, instead of the
// newest version.
func Legacy() Option { return Version(era.LastLegacy) }

// Version speaks the given protocol version, such as "2025-06-18".
func Version(v string) Option { return func(c *config) { c.version = v } }

// As calls as p. Over HTTP, p arrives as a verified token, which has no roles
// and no tenant. The default is an anonymous caller.
func As(p *auth.Principal) Option { return func(c *config) { c.principal = p } }

// WithClient sets options of go-sdk's client, such as its elicitation handler.
func WithClient(o *mcp.ClientOptions) Option { return func(c *config) { c.client = o } }

// New returns a client connected to srv, in memory and in the newest version
// unless options say otherwise. It fails the test if it cannot connect, and
// disconnects when the test ends. One server may have many clients.
func New(tb testing.TB, srv *server.Server, opts ...Option) *Client {
	tb.Helper()
	cfg := &config{connect: inMemory, version: era.FirstModern}
	for _, o := range opts {
		o(cfg)
	}
	transport := cfg.connect(tb, srv, cfg)
	client := mcp.NewClient(&mcp.Implementation{Name: "mcptest", Version: "1"}, cfg.client)
	session, err := client.Connect(tb.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: cfg.version})
	if err != nil {
		tb.Fatalf("mcptest: connecting: %v", err)
	}
	tb.Cleanup(func() {
		if err := session.Close(); err != nil {
			tb.Errorf("mcptest: closing the client: %v", err)
		}
	})
	if got := session.InitializeResult().ProtocolVersion; got != cfg.version {
		tb.Fatalf("mcptest: the server speaks %s, want %s", got, cfg.version)
	}
	return &Client{ClientSession: session, tb: tb}
}

// Matrix runs test as a subtest over each transport in each era.
func Matrix(t *testing.T, srv *server.Server, test func(t *testing.T, c *Client), opts ...Option) {
	t.Helper()
	transports := []struct {
		name   string
		option Option
	}{
		{"memory", func(*config) {}}, {"http", OverHTTP()}, {"stdio", OverStdio()},
	}
	for _, tr := range transports {
		for _, version := range []string{era.LastLegacy, era.FirstModern} {
			t.Run(tr.name+"/"+version, func(t *testing.T) {
				test(t, New(t, srv, append(slices.Clip(opts), tr.option, Version(version))...))
			})
		}
	}
}

// context returns the one a server session runs in: it outlives the test's,
// which ends before cleanup.
func (c *config) context(tb testing.TB) context.Context {
	tb.Helper()
	return auth.WithPrincipal(context.WithoutCancel(tb.Context()), c.principal)
}
