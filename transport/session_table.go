package transport

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A SessionEnd says why a session was closed.
type SessionEnd string

// The reasons.
const (
	SessionDeleted SessionEnd = "deleted" // by its client
	SessionExpired SessionEnd = "expired" // unused for Options.SessionIdle
	SessionDrained SessionEnd = "drained" // by HTTPHandler.Drain
	SessionClosed  SessionEnd = "closed"  // by the server: ServerSession.Close, or a failed keep-alive
	SessionGone    SessionEnd = "gone"    // from Options.SessionStore: deleted at another replica, or lost there
)

// A sessionTable knows the legacy sessions of one handler.
type sessionTable struct {
	server   *mcp.Server
	idle     time.Duration // 0: no limit
	store    mcp.EventStore
	keeper   *sessionKeeper // nil without a SessionStore
	max      int            // sessions in all, and per principal
	maxOwner int
	opened   func(*mcp.ServerSession)
	closed   func(*mcp.ServerSession, SessionEnd)

	mu     sync.Mutex
	shut   bool // no session is opened any more
	open   map[string]*session
	owners map[string]int // sessions per principal, those that open included
	total  int
	ending map[*session]struct{} // go-sdk has not let go of them
}

func newSessionTable(s *mcp.Server, o *settings) *sessionTable {
	return &sessionTable{
		server: s, idle: o.idle, store: o.store, max: o.maxSessions, maxOwner: o.maxOwner,
		opened: o.opened, closed: o.closed,
		open: map[string]*session{}, owners: map[string]int{}, ending: map[*session]struct{}{},
	}
}

// full is the answer to an initialize beyond a cap.
func full(version string) *refusal {
	return coded(&mcperrors.Error{
		Code: mcperrors.Exhausted, Message: "too many sessions, retry later", RetryAfter: fullRetry,
	}, version)
}

func tooManyStreams(version string) *refusal {
	return coded(&mcperrors.Error{
		Code: mcperrors.RateLimited, Message: "too many requests and streams are open in this session", RetryAfter: retryAfter,
	}, version)
}

// fullRetry is what a client is told that finds no room for a session.
const fullRetry = 5 * time.Second

// reserve makes room for one session of owner.
func (t *sessionTable) reserve(owner, version string) *refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.shut:
		return unavailable(version)
	case t.max > 0 && t.total >= t.max, owner != "" && t.maxOwner > 0 && t.owners[owner] >= t.maxOwner:
		return full(version)
	}
	t.total++
	if owner != "" {
		t.owners[owner]++
	}
	return nil
}

// unreserve gives the room back. It wants t.mu.
func (t *sessionTable) unreserve(owner string) {
	t.total--
	if owner == "" {
		return
	}
	if t.owners[owner]--; t.owners[owner] == 0 {
		delete(t.owners, owner)
	}
}

// newSession connects a session for owner, whose room is reserved. It is in
// nobody's reach before add.
func (t *sessionTable) newSession(owner string) (*session, error) {
	s := &session{id: rand.Text(), owner: owner}
	if t.keeper != nil {
		t.keeper.adopt(s)
	}
	return s, t.connect(s, nil)
}

// connect completes s, whose room is reserved, with what go-sdk knows of it.
func (t *sessionTable) connect(s *session, state *mcp.ServerSessionState) error {
	s.table, s.listen.s = t, s
	s.in, s.done, s.gone = make(chan jsonrpc.Message), make(chan struct{}), make(chan struct{})
	t.mu.Lock()
	t.ending[s] = struct{}{} // until it is added: a drain waits for it
	t.mu.Unlock()
	// The context is empty: what belongs to a request comes with that request.
	s.mu.Lock() // go-sdk's keep-alive must not end s before it knows sdk
	sdk, err := t.server.Connect(emptyContext, sessionTransport{s}, &mcp.ServerSessionOptions{State: state})
	s.sdk = sdk
	s.mu.Unlock()
	if err != nil {
		t.remove(s)
		t.forget(s)
	}
	return err
}

// add puts s in reach.
func (t *sessionTable) add(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.shut || s.ended {
		return false
	}
	s.known = true
	delete(t.ending, s)
	t.open[s.id] = s
	return true
}

// remove takes s out of reach.
func (t *sessionTable) remove(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[s.id] == s { // it may have been rebuilt already
		delete(t.open, s.id)
	}
	t.unreserve(s.owner)
	t.ending[s] = struct{}{}
}

func (t *sessionTable) forget(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.ending, s)
}

// find returns session id if it is owner's.
func (t *sessionTable) find(id, owner string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.open[id]; s != nil && s.owner == owner {
		return s
	}
	return nil
}

// shutdown ends every session and returns those that have not let go.
func (t *sessionTable) shutdown() []*session {
	t.mu.Lock()
	t.shut = true
	open := make([]*session, 0, len(t.open))
	for _, s := range t.open {
		open = append(open, s)
	}
	t.mu.Unlock()
	for _, s := range open {
		s.end(SessionDrained)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ending := make([]*session, 0, len(t.ending))
	for s := range t.ending {
		ending = append(ending, s)
	}
	return ending
}
