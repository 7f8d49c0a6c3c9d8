package sqlite_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/adapter/sqlite"
	"github.com/trestle-mcp/trestle/eventstore"
	"github.com/trestle-mcp/trestle/transport"
	"github.com/trestle-mcp/trestle/transport/resume"
)

var _ resume.Segments = sqlite.Segments("")

func TestSegments_AreFilesThatAreDropped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "streams")
	segments := sqlite.Segments(dir)
	for _, n := range []int64{7, 8, 12} {
		b, err := segments.Open(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := eventstore.New(b, nil).Append(t.Context(), "a", eventstore.NoStream, one("x", 10)); err != nil {
			t.Error(err)
		}
		closeAll(t, b.(*sqlite.Backend))
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := segments.Drop(t.Context(), 12); err != nil {
			t.Error(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if got := strings.Join(names, " "); got != "12.db 12.db-ack notes.txt" {
		t.Errorf("left: %s", got)
	}
}

// A replica is a server of legacy sessions that are kept outside of it.
type replica struct {
	url     string
	streams *resume.Store
	handler *transport.HTTPHandler
	web     *httptest.Server
	entered chan struct{} // the tool runs
	leave   chan struct{} // closed, it answers
}

func newReplica(t *testing.T, dir string, sessions transport.SessionStore) *replica {
	t.Helper()
	r := &replica{streams: resume.New(sqlite.Segments(dir), nil), entered: make(chan struct{}, 1), leave: make(chan struct{})}
	s := mcp.NewServer(&mcp.Implementation{Name: "s", Version: "1"}, nil)
	s.AddTool(&mcp.Tool{Name: "work", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i := range 3 {
			p := &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: float64(i + 1)}
			if err := req.Session.NotifyProgress(ctx, p); err != nil {
				return nil, err
			}
		}
		r.entered <- struct{}{}
		<-r.leave
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "the answer"}}}, nil
	})
	var err error
	r.handler, err = transport.NewHTTPHandler(s, &transport.Options{EventStore: r.streams, SessionStore: sessions})
	if err != nil {
		t.Fatal(err)
	}
	r.web = httptest.NewServer(r.handler)
	r.url = r.web.URL
	return r
}

// stop ends the process, as far as a test can.
func (r *replica) stop(t *testing.T) {
	t.Helper()
	if err := r.handler.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	r.web.CloseClientConnections()
	r.web.Close()
	if err := r.streams.Close(); err != nil {
		t.Error(err)
	}
}

func send(t *testing.T, url, session, last, body string) *http.Response {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "text/event-stream, application/json", "Mcp-Session-Id": session, "Last-Event-ID": last,
	} {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// events reads a stream up to a text, and returns the IDs that came.
func events(t *testing.T, body io.Reader, until string) (ids []string, all string) {
	t.Helper()
	for lines := bufio.NewScanner(body); lines.Scan(); {
		all += lines.Text() + "\n"
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
		if strings.Contains(lines.Text(), until) {
			return ids, all
		}
	}
	t.Fatalf("no %s in %s", until, all)
	return nil, ""
}

func TestSegments_AClientResumesAfterARestart(t *testing.T) {
	dir := t.TempDir()
	sessions := transport.NewMemorySessionStore(0) // outlives the server, as Redis would
	first := newReplica(t, dir, sessions)
	res := send(t, first.url, "", "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`)
	session := res.Header.Get("Mcp-Session-Id")
	_ = res.Body.Close()

	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{},"_meta":{"progressToken":"p"}}}`
	res = send(t, first.url, session, "", call)
	ids, _ := events(t, res.Body, `"progress":2`) // and then the client is away
	_ = res.Body.Close()
	<-first.entered
	close(first.leave)
	first.stop(t)

	second := newReplica(t, dir, sessions)
	defer second.stop(t)
	last := ids[len(ids)-1]
	res = send(t, second.url, session, last, "")
	_, rest := events(t, res.Body, "the answer")
	_ = res.Body.Close()
	if strings.Contains(rest, `"progress":2`) || strings.Count(rest, `"progress":3`) != 1 || strings.Count(rest, "the answer") != 1 {
		t.Errorf("resumed after %s with %s", last, rest)
	}
	for what, status := range map[string]int{
		fmt.Sprint(strings.Split(last, "_")[0], "x_0"): http.StatusBadRequest, // no such stream
		"": http.StatusOK,
	} {
		if res := send(t, second.url, session, what, ""); res.StatusCode != status {
			t.Errorf("Last-Event-ID %q: %d", what, res.StatusCode)
		} else {
			_ = res.Body.Close()
		}
	}
	if res := send(t, second.url, "ANOTHERSESSIONANOTHERSESSI", last, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("another session: %d", res.StatusCode)
	}
}
