package mcptest

import (
	"context"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/server"
)

// DefaultPatience is how long a client waits for what ought to happen, such as
// a notification, before it fails the test.
const DefaultPatience = 10 * time.Second

// An Option changes how [New] connects.
type Option func(*config)

type config struct {
	connect   func(testing.TB, *server.Server, *config, *exchange) mcp.Transport
	version   string
	client    mcp.ClientOptions
	principal *auth.Principal
	token     string
	patience  time.Duration
	watching  bool
	faults    *Faults
	roots     []string
	leaks     leaks
}

func configure(opts []Option) *config {
	cfg := &config{connect: inMemory, version: era.FirstModern, patience: DefaultPatience}
	for _, o := range opts {
		o(cfg)
	}
	return cfg
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

// As calls as p. Over HTTP, p arrives as a verified token, on a server that does
// not ask for tokens itself; for one that does, see [Bearer]. The default is an
// anonymous caller.
func As(p *auth.Principal) Option { return func(c *config) { c.principal = p } }

// Bearer sends token over HTTP, as a caller of a server with [server.Options]
// Auth does. Other transports have no tokens.
func Bearer(token string) Option { return func(c *config) { c.token = token } }

// Watching asks the server to tell of changed lists, so that [Client.Await] can
// wait for them.
func Watching() Option { return func(c *config) { c.watching = true } }

// Patience is how long the client waits for what ought to happen before it fails
// the test. Zero or negative means [DefaultPatience].
func Patience(d time.Duration) Option {
	return func(c *config) {
		if d <= 0 {
			d = DefaultPatience
		}
		c.patience = d
	}
}

// WithClient sets options of go-sdk's client, such as a handler. Options that
// stand behind it may change them further; o itself is not changed.
func WithClient(o *mcp.ClientOptions) Option {
	return func(c *config) {
		if o != nil {
			c.client = *o
		}
	}
}

// clientOptions returns what go-sdk's client is made with. Handlers that do
// nothing make it ask for what the exchange then remembers.
func (c *config) clientOptions() *mcp.ClientOptions {
	o := c.client
	if c.watching {
		if o.ToolListChangedHandler == nil {
			o.ToolListChangedHandler = func(context.Context, *mcp.ToolListChangedRequest) {}
		}
		if o.PromptListChangedHandler == nil {
			o.PromptListChangedHandler = func(context.Context, *mcp.PromptListChangedRequest) {}
		}
		if o.ResourceListChangedHandler == nil {
			o.ResourceListChangedHandler = func(context.Context, *mcp.ResourceListChangedRequest) {}
		}
	}
	return &o
}
