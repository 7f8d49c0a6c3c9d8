package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// errNoSession is for streams of a session that is not open.
var errNoSession = errors.New("transport: session is not open")

// sessions is the event store that go-sdk sees. It tells this handler's
// sessions and their owners, which go-sdk keeps to itself, and reports every
// answer that was recorded to calls.
type sessions struct {
	store     mcp.EventStore
	calls     *calls
	principal func(context.Context) string

	mu   sync.Mutex
	open map[string]string // session id to the principal that opened it
}

func newSessions(store mcp.EventStore, c *calls, principal func(context.Context) string) *sessions {
	return &sessions{store: store, calls: c, principal: principal, open: map[string]string{}}
}

// owns reports whether the caller of ctx may use session id.
func (s *sessions) owns(ctx context.Context, id string) bool {
	owner := s.principal(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	opened, found := s.open[id]
	return found && opened == owner
}

// has reports whether this handler opened session id.
func (s *sessions) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := s.open[id]
	return found
}

// Open implements [mcp.EventStore]. go-sdk opens stream "" first, when it
// connects the session, with the context of the request that asked for it.
//
// A session without an id ends with its request: nothing of it is kept.
func (s *sessions) Open(ctx context.Context, id, stream string) error {
	if id == "" {
		return nil
	}
	if stream == "" {
		owner := s.principal(ctx)
		s.mu.Lock()
		s.open[id] = owner
		s.mu.Unlock()
	} else if !s.has(id) {
		return errNoSession
	}
	if stream != "" {
		s.calls.stored(ctx)
	}
	return s.store.Open(ctx, id, stream)
}

// Append implements [mcp.EventStore].
func (s *sessions) Append(ctx context.Context, id, stream string, data []byte) error {
	if id == "" {
		return nil
	}
	if !s.has(id) {
		return errNoSession
	}
	err := s.store.Append(ctx, id, stream, data)
	if request, ok := answeredID(data); ok {
		s.calls.answered(id, idKey(request))
	}
	return err
}

// After implements [mcp.EventStore].
func (s *sessions) After(ctx context.Context, id, stream string, index int) iter.Seq2[[]byte, error] {
	return s.store.After(ctx, id, stream, index)
}

// SessionClosed implements [mcp.EventStore].
func (s *sessions) SessionClosed(ctx context.Context, id string) error {
	if id == "" {
		return nil
	}
	s.mu.Lock()
	delete(s.open, id)
	s.mu.Unlock()
	s.calls.closed(id)
	return s.store.SessionClosed(ctx, id)
}

// answeredID returns the id of the request that data answers. go-sdk writes
// jsonrpc, id and then method, result or error.
func answeredID(data []byte) (id json.RawMessage, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for {
		t, err := dec.Token()
		key, isKey := t.(string)
		switch {
		case err != nil || !isKey || key == "method":
			return nil, false
		case key == "result", key == "error":
			return id, id != nil
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, false
		}
		if key == "id" {
			id = value
		}
	}
}
