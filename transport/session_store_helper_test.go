package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// A spyStore is a memory store that can be made to fail, and looked into.
type spyStore struct {
	mu      sync.Mutex
	records map[string][]byte
	ends    map[string]time.Time
	fail    func(method string) error // nil: nothing fails
}

func newSpyStore() *spyStore {
	return &spyStore{records: map[string][]byte{}, ends: map[string]time.Time{}}
}

func (s *spyStore) do(method, key string) error {
	if s.fail != nil {
		if err := s.fail(method); err != nil {
			return err
		}
	}
	if end := s.ends[key]; !end.IsZero() && !time.Now().Before(end) {
		delete(s.records, key)
	}
	if _, found := s.records[key]; !found && (method == "Load" || method == "Update") {
		return transport.ErrNoSession
	}
	return nil
}

func (s *spyStore) put(key string, record []byte, ttl time.Duration) {
	s.records[key] = slices.Clone(record)
	if s.ends[key] = time.Now().Add(ttl); ttl == 0 {
		delete(s.ends, key)
	}
}

func (s *spyStore) Create(_ context.Context, key string, record []byte, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.do("Create", key)
	if err == nil {
		s.put(key, record, ttl)
	}
	return err
}

func (s *spyStore) Load(_ context.Context, key string, ttl time.Duration) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.do("Load", key); err != nil {
		return nil, err
	}
	s.put(key, s.records[key], ttl)
	return slices.Clone(s.records[key]), nil
}

func (s *spyStore) Update(_ context.Context, key string, record []byte, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.do("Update", key)
	if err == nil {
		s.put(key, record, ttl)
	}
	return err
}

func (s *spyStore) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.do("Delete", key)
	if err == nil {
		delete(s.records, key)
	}
	return err
}

// failing makes methods fail with a text that nobody may see, until undone.
func (s *spyStore) failing(methods ...string) (undo func()) {
	return s.with(func(method string) error {
		if slices.Contains(methods, method) || len(methods) == 0 {
			return errors.New("CANARY dial tcp redis-7.internal:6379")
		}
		return nil
	})
}

func (s *spyStore) with(fail func(string) error) (undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fail = nil
	}
}

// all returns the records.
func (s *spyStore) all() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.records)
}

// edit changes every record.
func (s *spyStore) edit(f func(key string, record []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, record := range s.records {
		s.records[key] = f(key, record)
	}
}

// A replica is one of several that share sessions.
type replica struct {
	*transport.HTTPHandler
	server      *mcp.Server
	initialized chan string
	opened      chan string
	closed      chan transport.SessionEnd
}

// newReplica returns a replica with the tools log, ask, which elicits, and who,
// which tells what the session knows of its client.
func newReplica(t *testing.T, opts transport.Options) *replica {
	t.Helper()
	r := &replica{
		initialized: make(chan string, 1000), opened: make(chan string, 1000), closed: make(chan transport.SessionEnd, 1000),
	}
	r.server = mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		InitializedHandler: func(_ context.Context, req *mcp.InitializedRequest) { r.initialized <- req.Session.ID() },
	})
	object := json.RawMessage(`{"type":"object"}`)
	r.server.AddTool(&mcp.Tool{Name: "log", InputSchema: object}, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		_ = req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "notice", Data: "LOGGED"})
		return textResult("done"), nil
	})
	r.server.AddTool(&mcp.Tool{Name: "ask", InputSchema: object}, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		res, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: "sure?"})
		if err != nil {
			return nil, err
		}
		return textResult(res.Action), nil
	})
	r.server.AddTool(&mcp.Tool{Name: "who", InputSchema: object}, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		data, err := json.Marshal(req.Session.InitializeParams())
		if req.Session.InitializeParams().Capabilities.RootsV2 != nil {
			data = append(data, "+roots"...)
		}
		return textResult(req.Session.ID() + string(data)), err
	})
	opts.Principal = whoFrom
	opts.SessionOpened = func(s *mcp.ServerSession) { r.opened <- s.ID() }
	opts.SessionClosed = func(_ *mcp.ServerSession, why transport.SessionEnd) { r.closed <- why }
	r.HTTPHandler = newHandler(t, r.server, &opts)
	return r
}

// ServeHTTP takes the caller's word for who it is.
func (r *replica) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	who(r.HTTPHandler).ServeHTTP(w, req)
}

// open makes a session and returns its id.
func (r *replica) open(t *testing.T) string {
	t.Helper()
	w := play(t, r, "", initialize(), nil)
	id := w.Header().Get("Mcp-Session-Id")
	if id == "" {
		t.Fatalf("initialize: %d %s", w.Code, w.Body)
	}
	if w := play(t, r, id, initializedNote, nil); w.Code != http.StatusAccepted {
		t.Fatalf("initialized: %d", w.Code)
	}
	return id
}

const initializedNote = `{"jsonrpc":"2.0","method":"notifications/initialized"}`

// status is that of a call in a session.
func (r *replica) status(t *testing.T, session string) int {
	t.Helper()
	return play(t, r, session, call("1", "log"), nil).Code
}

func (r *replica) delete(t *testing.T, session string) *httptest.ResponseRecorder {
	t.Helper()
	return play(t, r, session, "", withMethod(http.MethodDelete))
}

// drained lists what is in a channel.
func drained[T any](ch chan T) (all []T) {
	for {
		select {
		case v := <-ch:
			all = append(all, v)
		default:
			return all
		}
	}
}
