package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Options says what an [HTTPHandler] accepts and keeps. The zero value is safe
// on any listener.
type Options struct {
	// AllowedHosts are the values of the Host header that are served, each a
	// name or IP address with a port ("mcp.example.com:8443") or without, which
	// stands for any port. If it is set, no other host is served, neither
	// loopback nor this machine's addresses.
	//
	// Empty means what no foreign web page can make a browser send: localhost
	// and loopback addresses, and where a request did not arrive on loopback
	// also the IP address it arrived on. A server that is reached by a name,
	// directly or through a proxy, must list that name.
	AllowedHosts []string
	// AllowedOrigins are web origins ("https://app.example.com") whose pages
	// may call this server. They get CORS headers.
	//
	// A request without Origin is served, and so is one whose Origin is the
	// host it was sent to. If AllowedOrigins is empty, a loopback host also
	// serves pages of any other loopback origin, without CORS headers.
	AllowedOrigins []string
	// MaxBodyBytes bounds the body of a request.
	// Zero means 4 MiB; negative means no limit.
	MaxBodyBytes int64
	// MaxDepth bounds how deep arrays and objects nest in a body, the envelope
	// included. Zero means 64; negative means what go-sdk bears, 1000.
	MaxDepth int
	// Stateless serves legacy clients without sessions, so that any replica of
	// a fleet without stickiness serves any request. It is what go-sdk's option
	// of that name does:
	//
	//   - No session id is issued, and one that is sent is ignored. GET and
	//     DELETE are 405.
	//   - initialize is answered and forgotten. A request is served at the
	//     version its header names, 2025-03-26 if none, for a client without
	//     name or capabilities, at log level info.
	//   - What a call sends while it runs is sent in its own answer; nothing else
	//     reaches a client. The server cannot ask: elicitation, sampling, roots
	//     and ping fail at once.
	//   - logging/setLevel and notifications/initialized reach their handlers and
	//     are forgotten. notifications/cancelled finds no call: a call ends by
	//     itself or by its deadline, also when its client leaves.
	//
	// Otherwise than with go-sdk, resources/subscribe fails, since no update
	// would ever arrive, and handlers of different clients are given the same
	// few sessions: what a session is called or holds means nothing, ask the
	// request. One that a handler closes is replaced.
	//
	// The options about sessions have no effect, EventStore among them;
	// SessionStore is a mistake. Calls of 2026-07-28 are not concerned.
	Stateless bool
	// SessionIdle is how long a legacy session is kept that nobody uses. Any
	// request counts, and so do an open stream and a running call.
	// Zero means 5 minutes; negative means no limit.
	SessionIdle time.Duration
	// MaxSessions bounds the legacy sessions of this handler; initialize beyond
	// it is answered 503 with Retry-After.
	// Zero means 10,000; negative means no limit.
	MaxSessions int
	// MaxSessionsPerPrincipal bounds the legacy sessions of one principal.
	// Anonymous callers have only MaxSessions.
	// Zero means 100; negative means no limit.
	MaxSessionsPerPrincipal int
	// MaxSessionStreams bounds the requests and streams of one legacy session
	// at a time; more are answered 429 with Retry-After. Notifications, answers and
	// DELETE find 64 places more, since they are what makes room.
	// Zero means 256; negative means no limit.
	MaxSessionStreams int
	// MaxListens bounds the subscriptions (subscriptions/listen) that are open
	// at a time; more are answered 503 with Retry-After.
	// Zero means 4,096; negative means no limit.
	MaxListens int
	// MaxListensPerPrincipal bounds the open subscriptions of one principal;
	// more are answered 429 with Retry-After. Anonymous callers have only
	// MaxListens.
	// Zero means 64; negative means no limit.
	MaxListensPerPrincipal int
	// KeepAlive is how often a comment is sent on a quiet event stream, so that
	// no proxy takes it for dead. Streams of expired tokens are looked for as
	// often. Zero means 25 seconds; negative means never.
	KeepAlive time.Duration
	// WriteTimeout is how long a client may take to read what is sent to it
	// before its connection is cut.
	// Zero means 30 seconds; negative means no limit.
	WriteTimeout time.Duration
	// SessionOpened is told of each legacy session that was initialized, before
	// its client is. Nil means nobody is told.
	SessionOpened func(*mcp.ServerSession)
	// SessionClosed is told of each session that SessionOpened was told of, after
	// it was closed, and why. It runs on a goroutine of its own.
	SessionClosed func(*mcp.ServerSession, SessionEnd)
	// EventStore keeps what was sent on the streams of legacy sessions, so that
	// a client can resume them with Last-Event-ID. Many handlers may share one.
	// Package transport/resume has one that outlives the process.
	// Nil means in memory, 10 MiB in all; with a SessionStore it means none.
	EventStore mcp.EventStore
	// Authenticate wraps what stands behind the checks of Host and Origin: a
	// browser's preflight needs no token then, and a page of an allowed origin
	// can read the challenge. Nil means that everybody may call.
	Authenticate func(http.Handler) http.Handler
	// SessionStore lets a legacy session move between replicas behind a load
	// balancer without stickiness: see [SessionStore] for what that covers. The
	// limits of sessions are each replica's own. A drain leaves the sessions in
	// the store. SessionOpened and SessionClosed are told on each replica that
	// a session comes to; one that expired or was drained there may live on.
	//
	// With it, streams can be resumed only where EventStore is set, to one that
	// the replicas share. Nil means that a session lives in this handler alone.
	SessionStore SessionStore
	// Principal names the caller that a request was authenticated as, "" for an
	// anonymous one. A legacy session serves only the principal that opened it.
	// Nil means the user and the issuer that go-sdk's auth.TokenInfo names; two
	// tokens that name neither are one principal then.
	Principal func(context.Context) string
	// ResourceMetadata is the absolute URL of the protected resource metadata
	// (RFC 9728) of this server. Challenges name it, so that a client without a
	// good token finds where to get one. It must be https, or http on loopback.
	// Empty means that challenges name none.
	ResourceMetadata string
	// Logger gets refusals at debug level, panics at error level, and that the
	// SessionStore fails or holds what is no record.
	// It never gets what a client sent. Nil means no log.
	Logger *slog.Logger
}

const (
	defaultBytes = 4 << 20
	defaultDepth = 64
	// maxDepth is where go-sdk stops, and what protects the stack.
	maxDepth           = 1000
	defaultSessionIdle = 5 * time.Minute
	defaultSessions    = 10_000
	defaultOwned       = 100
	defaultStreams     = 256
	defaultListens     = 4096
	defaultListensEach = 64
	defaultKeepAlive   = 25 * time.Second
	defaultWrite       = 30 * time.Second
)

// settings are Options with every default applied.
type settings struct {
	hosts     *hostPolicy
	maxBytes  int64 // -1: no limit
	maxDepth  int
	idle      time.Duration  // 0: no limit
	store     mcp.EventStore // nil: streams cannot be resumed
	principal func(context.Context) string
	log       *slog.Logger
	challenger

	maxListens     int // 0: no limit
	maxListensEach int // 0: no limit

	// of legacy sessions
	stateless    bool
	sessionStore SessionStore
	maxSessions  int // 0: no limit
	maxOwner     int // 0: no limit
	maxStreams   int
	keepAlive    time.Duration // 0: never
	writeTimeout time.Duration // 0: no limit
	opened       func(*mcp.ServerSession)
	closed       func(*mcp.ServerSession, SessionEnd)
}

// resolve applies the defaults and reports every mistake in o.
func (o *Options) resolve() (settings, error) {
	if o == nil {
		o = &Options{}
	}
	s := settings{
		maxBytes:  max(cmp.Or(o.MaxBodyBytes, defaultBytes), -1),
		maxDepth:  resolveDepth(o.MaxDepth),
		idle:      max(cmp.Or(o.SessionIdle, defaultSessionIdle), 0),
		store:     o.EventStore,
		principal: o.Principal,
		log:       loggerOr(o.Logger),

		maxListens:     max(cmp.Or(o.MaxListens, defaultListens), 0),
		maxListensEach: max(cmp.Or(o.MaxListensPerPrincipal, defaultListensEach), 0),

		hosts:      &hostPolicy{},
		challenger: challenger{o.ResourceMetadata},

		stateless:    o.Stateless,
		sessionStore: o.SessionStore,
		maxSessions:  max(cmp.Or(o.MaxSessions, defaultSessions), 0),
		maxOwner:     max(cmp.Or(o.MaxSessionsPerPrincipal, defaultOwned), 0),
		maxStreams:   cmp.Or(o.MaxSessionStreams, defaultStreams),
		keepAlive:    max(cmp.Or(o.KeepAlive, defaultKeepAlive), 0),
		writeTimeout: max(cmp.Or(o.WriteTimeout, defaultWrite), 0),
		opened:       o.SessionOpened,
		closed:       o.SessionClosed,
	}
	if s.maxStreams < 0 {
		s.maxStreams = math.MaxInt32
	}
	switch {
	case o.Stateless:
		s.forgetSessions()
	case s.store == nil && s.sessionStore == nil:
		s.store = mcp.NewMemoryEventStore(nil)
	}
	if s.principal == nil {
		s.principal = tokenPrincipal
	}
	var mistakes []error
	for _, host := range o.AllowedHosts {
		h, err := parseAllowedHost(host)
		s.hosts.hosts, mistakes = append(s.hosts.hosts, h), append(mistakes, err)
	}
	for _, origin := range o.AllowedOrigins {
		parsed, err := parseAllowedOrigin(origin)
		s.hosts.origins, mistakes = append(s.hosts.origins, parsed), append(mistakes, err)
	}
	mistakes = append(mistakes, checkMetadataURL(o.ResourceMetadata))
	if o.Stateless && o.SessionStore != nil {
		mistakes = append(mistakes, errors.New("transport: Stateless has no sessions for a SessionStore"))
	}
	if o.MaxDepth > maxDepth {
		mistakes = append(mistakes, fmt.Errorf("transport: MaxDepth %d is more than go-sdk bears, %d", o.MaxDepth, maxDepth))
	}
	return s, errors.Join(mistakes...)
}

func resolveDepth(n int) int {
	switch {
	case n == 0:
		return defaultDepth
	case n < 0:
		return maxDepth
	}
	return n
}

func loggerOr(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

func tokenPrincipal(ctx context.Context) string {
	info := auth.TokenInfoFromContext(ctx)
	if info == nil {
		return ""
	}
	issuer, _ := info.Extra["iss"].(string)
	return strconv.Quote(issuer) + strconv.Quote(info.UserID)
}
