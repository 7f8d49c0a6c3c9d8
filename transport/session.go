package transport

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// errSessionEnded is the cause with which the calls of a session that ends are
// canceled.
var errSessionEnded = errors.New("transport: the session ended")

// A session is what a legacy client opens with initialize. It costs one
// goroutine, which reads for go-sdk; maps are made when they are needed.
//
// Locks are taken in the order stream.mu, session.mu.
type session struct {
	id      string
	owner   string // the principal that opened it
	version string // the protocol version that was agreed on
	table   *sessionTable
	sdk     *mcp.ServerSession
	in      chan jsonrpc.Message // what go-sdk reads
	done    chan struct{}        // closed when the session ends
	gone    chan struct{}        // closed when go-sdk has let go of it
	listen  stream               // the standalone stream
	kind    sessionKind
	kept    *keptSession // its place in the SessionStore; nil without one

	mu      sync.Mutex
	ended   bool
	known   bool      // it was in reach once
	uses    int       // requests and streams that are open
	used    time.Time // when the last one ended
	timer   *time.Timer
	lapsed  bool // the timer fired during a use
	running []*call
	slow    map[jsonrpc.ID]chan<- *jsonrpc.Response
	serial  int64
	streams map[string]*reply // those that can be resumed and are not done

	storing   sync.RWMutex // held for writing while the store forgets
	forgotten bool
}

// use keeps s from expiring until release. It fails if s has ended or is used
// too much.
func (s *session) use(limit int) (ref *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return sessionNotFound()
	case s.uses >= limit:
		return tooManyStreams(s.version)
	}
	s.uses++
	return nil
}

func (s *session) release() {
	if s.kind != ownedSession {
		s.dismiss()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses--
	if s.uses > 0 || s.timer == nil || s.ended {
		return
	}
	s.used = time.Now()
	if s.lapsed {
		s.lapsed = false
		s.timer.Reset(s.table.idle)
	}
}

// watch starts the idle timer.
func (s *session) watch() {
	if s.kept != nil {
		s.kept.watch()
	}
	if s.table.idle == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = time.Now()
	s.timer = time.AfterFunc(s.table.idle, s.lapse)
}

// lapse is the idle timer. It is not touched by each request, but looks what
// has happened when it fires.
func (s *session) lapse() {
	s.mu.Lock()
	if s.uses > 0 {
		s.lapsed = true
		s.mu.Unlock()
		return
	}
	rest := s.table.idle - time.Since(s.used)
	if rest > 0 && !s.ended {
		s.timer.Reset(rest)
	}
	s.mu.Unlock()
	if rest <= 0 {
		s.end(SessionExpired)
	}
}

// begin enters calls, all or none.
func (s *session) begin(calls []*call) *refusal {
	if s.kind != ownedSession {
		return nil // ids of different clients may be alike
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return sessionNotFound()
	}
	for _, c := range calls {
		if s.findLocked(c.id) != nil {
			return invalidRequest("a request with this id is already in flight").withID(c.id)
		}
	}
	s.running = append(s.running, calls...)
	return nil
}

// finished frees the id of c.
func (s *session) finished(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.running, c); i >= 0 {
		s.running = slices.Delete(s.running, i, i+1)
	}
}

// idle reports whether no call of s runs.
func (s *session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running) == 0
}

// find returns the running call with an id.
func (s *session) find(id json.RawMessage) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(id)
}

// findLocked looks through the list: it is short, and keeps no memory of calls
// that are over.
func (s *session) findLocked(id json.RawMessage) *call {
	for _, c := range s.running {
		if sameID(c.id, id) {
			return c
		}
	}
	return nil
}

// end ends s: no request finds it from now on, its calls are canceled, then
// go-sdk reads the end. The rest, which may wait, is done by finish. end itself
// does not wait: go-sdk may call it with locks of its own held.
func (s *session) end(why SessionEnd) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	known := s.known
	if s.kept != nil {
		s.kept.ending(why)
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	calls := slices.Clone(s.running)
	s.mu.Unlock()
	s.table.remove(s)
	for _, c := range calls {
		c.end(errSessionEnded)
	}
	close(s.done)
	go s.finish(why, known) // ends with the last handler that go-sdk runs for s
}

func (s *session) finish(why SessionEnd, known bool) {
	if s.kept != nil {
		s.kept.ended(why) // first: go-sdk may wait for a handler
	}
	_ = s.sdk.Close() // what it returns is about a connection that is gone
	if store := s.table.store; store != nil && s.isOver(why) {
		s.storing.Lock()
		s.forgotten = true
		_ = store.SessionClosed(context.Background(), s.id) // the store has its own ways to forget
		s.storing.Unlock()
	}
	if hook := s.table.closed; hook != nil && known {
		guard(func() { hook(s.sdk, why) })
	}
	s.table.forget(s)
	close(s.gone)
}

// guard runs a hook of the user's: its panic must not end the process.
func guard(f func()) {
	defer func() { _ = recover() }()
	f()
}
