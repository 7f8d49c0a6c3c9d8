package redis_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/redis/rueidis"

	"github.com/trestle-mcp/trestle/adapter/redis"
	"github.com/trestle-mcp/trestle/transport"
	"github.com/trestle-mcp/trestle/transport/sessionstoretest"
)

func sessions(t *testing.T, client rueidis.Client) *redis.SessionStore {
	t.Helper()
	prefix := "test-" + rand.Text()
	t.Cleanup(func() { remove(t, client, prefix+":session:*") })
	s, err := redis.NewSessionStore(client, &redis.SessionOptions{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSessionStore_PassesTheSuite(t *testing.T) {
	client := dial(t)
	sessionstoretest.Run(t, func(t *testing.T) transport.SessionStore { return sessions(t, client) })
}

func TestSessionStore_EachMethodIsOneCommand(t *testing.T) {
	client := &spy{Client: dial(t)}
	ctx, s := t.Context(), sessions(t, client)
	_ = s.Create(ctx, "k", []byte("a"), time.Hour)
	_ = s.Update(ctx, "k", []byte("b"), time.Hour)
	_, _ = s.Load(ctx, "k", time.Hour)
	_ = s.Delete(ctx, "k")
	if got := strings.Join(client.commands, " "); got != "SET SET GETEX DEL" {
		t.Error(got)
	}
}

// A session of go-sdk's client, each request of which finds another replica.
func TestSessionStore_ASessionMovesBetweenReplicas(t *testing.T) {
	client := dial(t)
	store := sessions(t, client)
	replica := func(name string) http.Handler {
		s := mcp.NewServer(&mcp.Implementation{Name: "demo", Version: "1.0.0"}, nil)
		mcp.AddTool(s, &mcp.Tool{Name: "where"}, func(context.Context, *mcp.CallToolRequest, any) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name}}}, nil, nil
		})
		h, err := transport.NewHTTPHandler(s, &transport.Options{SessionStore: store})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Drain(context.Background()) }) //nolint:usetesting // that of the test is over
		return h
	}
	replicas := []http.Handler{replica("first"), replica("second")}
	var turn atomic.Int64
	var id atomic.Value
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id.Store(r.Header.Get("Mcp-Session-Id"))
		replicas[turn.Add(1)%2].ServeHTTP(w, r)
	}))
	defer balancer.Close()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1.0.0"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: balancer.URL, DisableStandaloneSSE: true},
		&mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 6 {
		res, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "where"})
		if err != nil {
			t.Fatal(err)
		}
		seen[res.Content[0].(*mcp.TextContent).Text] = true
	}
	if len(seen) != 2 {
		t.Errorf("served by %v", seen)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	late := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/mcp",
		bytes.NewBufferString(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"where"}}`))
	late.Header.Set("Content-Type", "application/json")
	late.Header.Set("Accept", "application/json, text/event-stream")
	late.Header.Set("Mcp-Session-Id", id.Load().(string))
	w := httptest.NewRecorder()
	replica("third").ServeHTTP(w, late)
	if w.Code != http.StatusNotFound {
		t.Errorf("after it was deleted: %d %s", w.Code, w.Body)
	}
}

func TestSessionStore_ReturnsWhenTheContextEndsAndOutlivesARestart(t *testing.T) {
	server := newServer(t)
	s := sessions(t, server.dial())
	patient, cancel := context.WithTimeout(t.Context(), 20*time.Second) // with a deadline, as the transport has it
	defer cancel()
	if err := s.Create(patient, "k", []byte("a"), time.Hour); err != nil {
		t.Fatal(err)
	}
	server.kill()
	server.start() // with nothing in it; the client has a connection that is closed
	if _, err := s.Load(patient, "k", time.Hour); !errors.Is(err, transport.ErrNoSession) {
		t.Errorf("restarted: %v", err)
	}
	server.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Load(ctx, "k", time.Hour)
	if took := time.Since(began); err == nil || errors.Is(err, transport.ErrNoSession) || took > 2*time.Second {
		t.Errorf("gone: %v after %v", err, took)
	}
	server.start()
	if _, err := s.Load(patient, "k", time.Hour); !errors.Is(err, transport.ErrNoSession) {
		t.Errorf("back: %v", err)
	}
}

func TestNewSessionStore_ReportsMistakes(t *testing.T) {
	if _, err := redis.NewSessionStore(nil, &redis.SessionOptions{Prefix: "a b"}); err == nil ||
		!strings.Contains(err.Error(), "no client") || !strings.Contains(err.Error(), `"a b"`) {
		t.Error(err)
	}
}
