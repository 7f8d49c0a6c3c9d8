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
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/secret"
	"github.com/trestle-mcp/trestle/transport"
)

// Defaults of [Options].
const (
	DefaultPath         = "/mcp"
	DefaultTimeout      = time.Minute
	DefaultMaxInFlight  = 1024
	DefaultDrainTimeout = 10 * time.Second
	DefaultDrainWait    = 5 * time.Second
	DefaultStateTTL     = 10 * time.Minute
	DefaultMaxResult    = 1 << 20
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

	// InfoResource adds the resource [InfoURI], which tells what runs here. A policy
	// decides who may read it.
	InfoResource bool

	// Plugins are the limits on plugins, and the hash that their set must have. An
	// OnEvent is called beside the server's own.
	Plugins plugin.Options

	// Timeout is how long a tool, prompt, resource or completion may run.
	// Zero means 1 minute; negative means no limit. [Tool.Timeout] overrides it.
	Timeout time.Duration

	// MaxInFlight is how many calls may run at once; more are refused with
	// code exhausted. Zero means 1024; negative means no limit.
	MaxInFlight int

	// MaxResult bounds what a tool, prompt, resource or completion may answer, in
	// bytes: see [middleware.LimitResult]. Zero means 1 MiB, which is more than a
	// model reads and about what clients take; negative means no limit.
	MaxResult int
	// StripHidden takes control characters, overrides of direction and invisible
	// characters out of answers, for servers that pass on what others wrote: see
	// [middleware.StripHidden]. What is registered may not have any in either case.
	StripHidden bool

	// PageSize is how many items a list answers at once. Zero means 1000.
	PageSize int

	// StateKeys encrypt what [Ask] and [Elicit] send through a modern client,
	// and the cursors of lists where there is a Policy. Each is 32 random bytes, or
	// their base64 as "openssl rand -base64 32" writes it. The first seals, all
	// open, so a new key is added in front and the old one removed after StateTTL.
	// All replicas of a server need the same keys. None: a random key and, when
	// first used, a warning.
	StateKeys []secret.Secret
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
	// Audit gets a record of each call, allowed or denied; see [auth.Audit], and for
	// one that writes a log [AuditLog], for one that appends to an event store
	// [auth.NewEventSink]. It is the caller's to close, after the server has
	// stopped. Nil means that nobody does.
	Audit auth.Sink
	// AuditFailClosed refuses calls while Audit fails.
	AuditFailClosed bool
	// Events serves the streams of an event store as resources, such as the trail
	// of an [auth.EventSink]: see [EventsPage]. There is nothing there for callers
	// without admin:access and read:resources:events://STREAM. It needs a Policy,
	// which is what says who may read all that happened. Nil means no such resources.
	Events *eventstore.Store
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

	// Admin is a second listener of Run: health, metrics, profiles, build
	// information. Zero means that there is none.
	//
	// Beside what is registered with [Server.Health], Run watches Audit,
	// HTTP.SessionStore and HTTP.EventStore, those that have a method
	// Check(ctx) error, as "audit", "sessions" and "session events", and the
	// plugins as "plugins", unless there are checks of these names already.
	Admin Admin
	// HealthResource adds the resource [HealthURI], for clients without a way to
	// the admin listener. It shows details over stdio and where there is a Policy,
	// to whom that lets read it.
	HealthResource bool
	// DrainWait is how long Run serves on once it is told to stop and probes are
	// told that it is not ready: as long as load balancers need to notice.
	// Zero means 5 seconds over HTTP with Admin.Addr, and else not at all, since
	// nobody probes; negative means not at all.
	DrainWait time.Duration
	// DrainTimeout is how long Run then lets running calls end.
	// Zero means 10 seconds; negative means not at all.
	DrainTimeout time.Duration

	// HeapReserve is how many bytes more Run lets Go's garbage collector wait for,
	// see [ReserveHeap]: a process that answers small calls spends less on it, and
	// holds as much more memory under load. Zero means 16 MiB; negative means none.
	HeapReserve int

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
	o.Admin.AllowedHosts = slices.Clone(o.Admin.AllowedHosts)
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.MaxInFlight, DefaultMaxInFlight)
	setDefault(&o.MaxResult, DefaultMaxResult)
	setDefault(&o.StateTTL, DefaultStateTTL)
	setDefault(&o.DrainTimeout, DefaultDrainTimeout)
	setDefault(&o.HeapReserve, DefaultHeapReserve)
	if o.DrainWait == 0 && (o.Addr == "" || o.Admin.Addr == "") {
		o.DrainWait = -1
	}
	setDefault(&o.DrainWait, DefaultDrainWait)
	mistakes = append(mistakes, o.Admin.check())
	setDefault(&o.Path, DefaultPath)
	if !strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, " {}") {
		mistake("option Path: %q is not a path that starts with /, without blanks and braces", o.Path)
	}
	if o.Auth != nil && (o.Authenticate != nil || o.HTTP.Authenticate != nil) {
		mistake("option Auth: Authenticate is set, too; one of them decides who may call")
	}
	if o.Events != nil && o.Policy == nil {
		mistake("option Events: it needs a Policy; without one everybody could read what happened")
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
	return zap.New(zapcore.NewCore(middleware.NewLogEncoder(), zapcore.Lock(os.Stderr), zap.InfoLevel))
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
