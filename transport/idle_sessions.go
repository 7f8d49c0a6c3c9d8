package transport

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/era"
)

// levels are the log levels that a call may ask for. go-sdk has the one of a
// modern call in a context key of its own, so each gets a session instead.
var levels = [...]mcp.LoggingLevel{"", "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// The kinds of idle sessions beyond one for each level: server/discover
// overwrites what its session knows of the client, and the watching one is told
// what changes.
const (
	kindDiscover = len(levels) + iota
	kindWatch
	kinds
)

// idleSessions are SDK sessions that calls are served in. They are made when
// they are first needed, and again where somebody closed one.
type idleSessions struct {
	dispatcher *dispatcher
	changed    func(method string)
	sessions   [kinds]atomic.Pointer[idleSession]

	mu     sync.Mutex
	closed bool

	probe sync.Once
	found identity
}

type idleSession struct {
	*mcp.ServerSession
	conn *idleConn
}

// kindFor returns the kind of the session that serves a call.
func kindFor(method string, level mcp.LoggingLevel) int {
	if method == "server/discover" {
		return kindDiscover
	}
	return max(slices.Index(levels[:], level), 0)
}

func (s *idleSessions) get(kind int) (*idleSession, error) {
	if found := s.sessions[kind].Load(); found != nil && !found.conn.closed() {
		return found, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.sessions[kind].Load(); found != nil && !found.conn.closed() {
		return found, nil
	}
	if s.closed {
		return nil, errClosed
	}
	made := &idleSession{}
	var state *mcp.ServerSessionState
	if kind == kindWatch {
		made.conn = newIdleConn(s.changed) // go-sdk takes it for legacy, and tells it
	} else {
		made.conn = newIdleConn(nil)
		state = &mcp.ServerSessionState{
			InitializeParams:  &mcp.InitializeParams{ProtocolVersion: era.FirstModern, Capabilities: &mcp.ClientCapabilities{}},
			InitializedParams: &mcp.InitializedParams{},
		}
		if kind < len(levels) {
			state.LogLevel = levels[kind]
		}
	}
	var err error
	made.ServerSession, err = s.dispatcher.server.Connect(context.Background(), made.conn, &mcp.ServerSessionOptions{State: state})
	if err != nil {
		return nil, err
	}
	s.sessions[kind].Store(made)
	return made, nil
}

// close ends every session, and what they are asked for later is errClosed.
func (s *idleSessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for i := range s.sessions {
		if found := s.sessions[i].Load(); found != nil {
			_ = found.Close() // the connection is ours and has nothing to lose
		}
	}
}

// identity is what go-sdk keeps to itself about a server.
type identity struct {
	versions []string        // protocol versions it speaks
	info     json.RawMessage // its name, or nil
}

// identity asks the server once, in requests that reach no middleware.
func (s *idleSessions) identity() *identity {
	s.probe.Do(func() {
		s.found.versions = mcp.SupportedProtocolVersions()
		watch, err := s.get(kindWatch)
		if err != nil {
			return
		}
		// A version that nobody has is refused with the list of those there are.
		if res, err := watch.conn.ask(probe("ping", "9999-12-31")); err == nil {
			var data mcp.UnsupportedProtocolVersionData
			if wire, ok := errors.AsType[*jsonrpc.Error](res.Error); ok && json.Unmarshal(wire.Data, &data) == nil && len(data.Supported) > 0 {
				s.found.versions = data.Supported
			}
		}
		// The dispatcher answers in place of the server, and go-sdk signs it.
		s.dispatcher.handler()
		s.dispatcher.probing.Store(watch.ServerSession)
		defer s.dispatcher.probing.Store(nil)
		if res, err := watch.conn.ask(probe("server/discover", era.FirstModern)); err == nil {
			var result struct {
				Meta map[string]json.RawMessage `json:"_meta"`
			}
			if json.Unmarshal(res.Result, &result) == nil {
				s.found.info = result.Meta[mcp.MetaKeyServerInfo]
			}
		}
	})
	return &s.found
}

func probe(method, version string) *jsonrpc.Request {
	id, _ := jsonrpc.MakeID(method)
	return &jsonrpc.Request{ID: id, Method: method, Params: json.RawMessage(
		`{"_meta":{"` + mcp.MetaKeyProtocolVersion + `":"` + version + `","` + mcp.MetaKeyClientCapabilities + `":{}}}`)}
}
