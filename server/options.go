package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/transport"
)

// Defaults of [Options].
const (
	DefaultPath         = "/mcp"
	DefaultTimeout      = time.Minute
	DefaultMaxInFlight  = 1024
	DefaultDrainTimeout = 10 * time.Second
	DefaultStateTTL     = 10 * time.Minute
)

// Options configure a server. The zero value is the production default; New
// works on a copy, so one Options may serve many servers.
type Options struct {
	// Title and WebsiteURL describe the server to people, Instructions tell a
	// model how to use it. All may be empty.
	Title, WebsiteURL, Instructions string

	// Logger gets one record a call and the server's own events.
	// Nil means JSON on stderr, from level info.
	Logger *zap.Logger

	// Middleware runs inside the default stack, after rate limits and before
	// concurrency and deadlines; the first is outermost. See [Stack].
	Middleware []mcp.Middleware

	// Observe runs in the default stack beside Log, outside of all that refuses
	// calls; the first is outermost. It is the place of metrics and traces, which
	// ask Ended of package middleware how a call went.
	Observe []mcp.Middleware

	// RateLimits are the rules that calls are limited by. Servers of one Options
	// share the budgets of its rules. Nil means [DefaultRateLimit] in any second
	// for each known caller, each server by itself; callers that nobody knows are
	// not limited then, since they could only be so all together. Empty but not
	// nil means no limit.
	RateLimits []ratelimit.Rule
	// RateLimitHeaders tells callers over HTTP what their limits are, in RateLimit
	// and RateLimit-Policy headers.
	RateLimitHeaders bool

	// Timeout is how long a tool, prompt, resource or completion may run.
	// Zero means 1 minute; negative means no limit. [Tool.Timeout] overrides it.
	Timeout time.Duration

	// MaxInFlight is how many calls may run at once; more are refused with
	// code exhausted. Zero means 1024; negative means no limit.
	MaxInFlight int

	// PageSize is how many items a list answers at once. Zero means 1000.
	PageSize int

	// StateKeys encrypt what [Ask] and [Elicit] send through a modern client,
	// and the cursors of lists where there is a Policy. Each has 32 bytes; the first seals, all open, so a new key is added in
	// front and the old one removed after StateTTL. All replicas of a server
	// need the same keys. None: a random key and, when first used, a warning.
	StateKeys [][]byte
	// StateTTL is how long a user may take to answer, and a client to ask for
	// the next page. Zero means 10 minutes.
	StateTTL time.Duration

	// Addr is where Run listens, such as "127.0.0.1:8080"; port 0 picks a free
	// one. Empty means Run speaks stdio.
	Addr string
	// Path is where Run mounts the handler. Empty means "/mcp".
	Path string
	// HTTP are the limits and allow-lists of the HTTP transport, and how it keeps
	// the sessions of legacy clients.
	HTTP transport.Options
	// Auth lets only known callers in, over HTTP. Run also serves its metadata;
	// with Handler, mount [auth.Guard.Metadata] yourself. Nil means that
	// everybody may call.
	Auth *auth.Guard
	// Policy says what each caller may do: over HTTP whoever Auth let in, over
	// stdio [auth.Local]. What it does not grant is denied, and answered like
	// what does not exist; see [auth.Authorize]. A policy that follows a file is
	// the caller's to close, after the server has stopped.
	//
	// Nil means that everybody who gets as far as the server may do everything.
	Policy *auth.Policy
	// Audit gets a record of each call, allowed or denied; see [auth.Audit], and
	// [AuditLog] for one that writes a log. It is the caller's to close, after the
	// server has stopped. Nil means that nobody does.
	Audit auth.Sink
	// AuditFailClosed refuses calls while Audit fails.
	AuditFailClosed bool
	// View is what of the server there is, for everybody; [Server.SetView]
	// changes it. ViewFor is what there is for the caller of req, which may be a
	// list or a call, such as [ViewFromHeader]; a panic in it hides all. Both have to show a thing. Zero and nil mean all.
	View    View
	ViewFor func(ctx context.Context, req mcp.Request) View
	// Authenticate wraps the HTTP handler with something other than Auth, such
	// as a company's own middleware. Nil means nothing does.
	Authenticate func(http.Handler) http.Handler
	// InsecureNoAuth lets Run listen beyond loopback without Auth and without
	// Authenticate.
	InsecureNoAuth bool

	// DrainTimeout is how long Run lets running calls end once it is told to
	// stop. Zero means 10 seconds; negative means not at all.
	DrainTimeout time.Duration

	// SDK may change go-sdk's options before the server is made. It is the way
	// to what Trestle has no option for. It must leave the handlers for
	// completion and subscription alone; use its own means for those.
	SDK func(*mcp.ServerOptions)
}

// withDefaults returns a copy with every zero value replaced, and all mistakes.
func (o Options) withDefaults() (Options, error) {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }

	o.Middleware, o.Observe = slices.Clone(o.Middleware), slices.Clone(o.Observe)
	o.StateKeys = slices.Clone(o.StateKeys)
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.MaxInFlight, DefaultMaxInFlight)
	setDefault(&o.StateTTL, DefaultStateTTL)
	setDefault(&o.DrainTimeout, DefaultDrainTimeout)
	setDefault(&o.Path, DefaultPath)
	if !strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, " {}") {
		mistake("option Path: %q is not a path that starts with /, without blanks and braces", o.Path)
	}
	if o.Auth != nil && (o.Authenticate != nil || o.HTTP.Authenticate != nil) {
		mistake("option Auth: Authenticate is set, too; one of them decides who may call")
	}
	if o.PageSize < 0 {
		mistake("option PageSize: %d is negative; 0 means %d", o.PageSize, mcp.DefaultPageSize)
	}
	if o.StateTTL < 0 {
		mistake("option StateTTL: %v is negative; state must expire", o.StateTTL)
	}
	if o.Logger == nil {
		o.Logger = defaultLogger()
	}
	if _, err := o.rateLimit(); err != nil {
		mistakes = append(mistakes, err)
	}
	return o, errors.Join(mistakes...)
}

// defaultLogger writes every record, because one a call was promised: zap's own
// production logger drops repeated ones.
func defaultLogger() *zap.Logger {
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey, enc.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(enc), zapcore.Lock(os.Stderr), zap.InfoLevel))
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
