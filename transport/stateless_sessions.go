package transport

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A sessionKind says whose a session is.
type sessionKind int

const (
	ownedSession  sessionKind = iota // a client's, which opened it
	sharedSession                    // nobody's: stateless requests of a version run in it
	singleSession                    // of one stateless POST, and ends with it
)

// sharedSessions are what stateless requests run in: one session of go-sdk for
// each legacy version, made when it is first needed, and again where somebody
// closed it. A POST that changes what its session is gets one of its own.
type sharedSessions struct {
	table    *sessionTable
	sessions []atomic.Pointer[session] // as legacyVersions

	mu     sync.Mutex
	closed bool
}

func newSharedSessions(t *sessionTable) *sharedSessions {
	return &sharedSessions{table: t, sessions: make([]atomic.Pointer[session], len(legacyVersions))}
}

// sessionFor returns a session for a POST, in use until it is released.
func (p *sharedSessions) sessionFor(messages []*message, version string) (*session, *refusal) {
	for _, m := range messages {
		if m.method == "notifications/initialized" || m.method == "logging/setLevel" {
			return p.connect(singleSession, version, statelessState(messages, version))
		}
	}
	shared := &p.sessions[slices.Index(legacyVersions, version)] // checkLegacy saw to it
	if s := shared.Load(); s != nil && !s.closed() {
		return s, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := shared.Load(); s != nil && !s.closed() {
		return s, nil
	}
	if p.closed {
		return nil, unavailable(version)
	}
	s, ref := p.connect(sharedSession, version, statelessState(messages, version))
	if ref == nil {
		shared.Store(s)
	}
	return s, ref
}

// statelessState is what a session knows that nobody initialized.
func statelessState(messages []*message, version string) *mcp.ServerSessionState {
	state := &mcp.ServerSessionState{
		InitializeParams:  &mcp.InitializeParams{ProtocolVersion: version, Capabilities: &mcp.ClientCapabilities{}},
		InitializedParams: &mcp.InitializedParams{},
		LogLevel:          "info",
	}
	for _, m := range messages {
		if m.method == "notifications/initialized" {
			state.InitializedParams = nil // it is about to be
		}
	}
	return state
}

func (p *sharedSessions) connect(kind sessionKind, version string, state *mcp.ServerSessionState) (*session, *refusal) {
	if ref := p.table.reserve("", version); ref != nil {
		return nil, ref
	}
	s := &session{kind: kind, version: version}
	if p.table.connect(s, state) != nil {
		return nil, unavailable(version)
	}
	return s, nil
}

// close ends the sessions, and no more are made.
func (p *sharedSessions) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for i := range p.sessions {
		if s := p.sessions[i].Load(); s != nil {
			s.end(SessionDrained)
		}
	}
}

func (s *session) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// dismiss is the release of a session that is no client's.
func (s *session) dismiss() {
	if s.kind == singleSession {
		s.end(SessionClosed)
	}
}

// cannotAskStateless refuses every request but go-sdk's own keep-alive.
func cannotAskStateless(ctx context.Context, method string) error {
	if method == "ping" && callFrom(ctx) == nil {
		return nil
	}
	return notSent("this server keeps no sessions, so it cannot ask its client: " + method)
}

// isBroadcast reports whether go-sdk sends the notification to every session.
func isBroadcast(method string) bool { return strings.HasSuffix(method, "/list_changed") }
