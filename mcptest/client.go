package mcptest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/server"
)

// A Client is connected to the server under test. Its go-sdk session is
// embedded, so every method of it is at hand; the methods declared here are for
// tests: they fail the test when something goes wrong that it did not ask for.
//
// It is safe for concurrent use, but what may fail the test must run on the
// test's goroutine.
type Client struct {
	*mcp.ClientSession

	tb       testing.TB
	x        *exchange
	await    awaited
	patience time.Duration
	watching bool
	calls    callCounter
}

// New returns a client connected to srv, in memory and in the newest version
// unless options say otherwise. It fails the test if it cannot connect.
//
// When the test ends, the client disconnects, and the test fails if a session of
// it, or a goroutine that was started on its behalf, is still there: see
// [LeaksAllowed]. One server may have many clients.
func New(tb testing.TB, srv *server.Server, opts ...Option) *Client {
	tb.Helper()
	cfg := configure(opts)
	c := &Client{tb: tb, x: newExchange(), patience: cfg.patience, watching: cfg.watching}
	var err error
	cfg.leaks.start(tb, cfg.patience, func() {
		transport := cfg.connect(tb, srv, cfg, c.x)
		client := mcp.NewClient(&mcp.Implementation{Name: "mcptest", Version: "1"}, cfg.clientOptions())
		for _, uri := range cfg.roots {
			client.AddRoots(&mcp.Root{URI: uri})
		}
		c.ClientSession, err = client.Connect(tb.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: cfg.version})
	})
	if err != nil {
		tb.Fatalf("mcptest: connecting: %v%s", err, show(c.x.all()))
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("mcptest: closing the client: %v", err)
		}
	})
	if got := c.InitializeResult().ProtocolVersion; got != cfg.version {
		tb.Fatalf("mcptest: the server speaks %s, want %s", got, cfg.version)
	}
	if err := c.watch(tb.Context()); err != nil {
		tb.Fatalf("%v%s", err, show(c.x.all()))
	}
	return c
}

// Exchange returns what went over the wire between this client and its server,
// in order: the last 5,000 messages at least. What is on the way is not there
// yet.
func (c *Client) Exchange() []Message {
	all := c.x.all()
	messages := make([]Message, len(all))
	for i, m := range all {
		messages[i] = m.Message
	}
	return messages
}

// context returns the one a server session runs in: it outlives the test's,
// which ends before cleanup.
func (c *config) context(tb testing.TB) context.Context {
	tb.Helper()
	return auth.WithPrincipal(context.WithoutCancel(tb.Context()), c.principal)
}

// patient returns a channel that fires when waiting for something that ought to
// happen has no more sense.
func (c *Client) patient() (<-chan time.Time, func()) {
	timer := time.NewTimer(c.patience)
	return timer.C, func() { timer.Stop() }
}

func (c *Client) fatalf(format string, args ...any) {
	c.tb.Helper()
	c.tb.Fatalf("%s", fmt.Sprintf(format, args...))
}
