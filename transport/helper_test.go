package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

const (
	modern = "2026-07-28"
	legacy = "2025-11-25"
)

// meta is what every modern call carries in its parameters.
const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`

// A gate is a tool that tells when it runs and waits to be let go.
type gate struct {
	entered chan struct{}
	leave   chan struct{}
	cut     chan error // what ended it early
}

func newGate() *gate {
	return &gate{entered: make(chan struct{}, 64), leave: make(chan struct{}), cut: make(chan error, 64)}
}

// newServer returns a server with the tools echo, wait (on g), ask, which
// elicits, and late, which reports progress and then fails.
func newServer(g *gate) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{ListChanged: true}},
	})
	object := json.RawMessage(`{"type":"object"}`)
	s.AddTool(&mcp.Tool{Name: "echo", InputSchema: object}, func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return textResult(string(r.Params.Arguments)), nil
	})
	s.AddTool(&mcp.Tool{Name: "wait", InputSchema: object}, func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		g.entered <- struct{}{}
		select {
		case <-g.leave:
			return textResult("done"), nil
		case <-ctx.Done():
			g.cut <- ctx.Err()
			return nil, ctx.Err()
		}
	})
	s.AddTool(&mcp.Tool{Name: "ask", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		g.entered <- struct{}{}
		res, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: "sure?"})
		if err != nil {
			return textResult("failed"), nil //nolint:nilerr // the failure is the result
		}
		return textResult(res.Action), nil
	})
	s.AddTool(&mcp.Tool{Name: "late", InputSchema: object}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Progress: 1})
		return nil, mcp.ResourceNotFoundError("test:late")
	})
	s.AddResource(&mcp.Resource{Name: "a", URI: "test:a"}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: "test:a", Text: "a"}}}, nil
	})
	return s
}

func textResult(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// serve runs a handler for s on a loopback port.
func serve(t *testing.T, s *mcp.Server, opts *transport.Options) (*transport.HTTPHandler, *httptest.Server) {
	t.Helper()
	h, err := transport.NewHTTPHandler(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(h)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel()
		_ = h.Drain(ctx) // ends streams, which Close would wait for
		ts.Close()
	})
	return h, ts
}

// connect returns a client session of go-sdk in one era.
func connect(t *testing.T, tr mcp.Transport, version string, opts *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, opts)
	cs, err := c.Connect(t.Context(), tr, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cs.Close() })
	return cs
}

// post is a POST as a sound client of the version sends it; alter may change it.
func post(t *testing.T, url, version, body string, alter func(*http.Request)) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if version != "" {
		req.Header.Set("MCP-Protocol-Version", version)
	}
	if alter != nil {
		alter(req)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// open makes a legacy session by hand and returns its id.
func open(t *testing.T, url string, alter func(*http.Request)) string {
	t.Helper()
	res := post(t, url, "", initialize(), alter)
	readAll(t, res.Body)
	id := res.Header.Get("Mcp-Session-Id")
	if id == "" {
		t.Fatalf("initialize: status %d, no session", res.StatusCode)
	}
	res = post(t, url, legacy, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, func(r *http.Request) {
		if alter != nil {
			alter(r)
		}
		r.Header.Set("Mcp-Session-Id", id)
	})
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("initialized: status %d", res.StatusCode)
	}
	return id
}

func initialize() string {
	return `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}`
}

func inSession(id string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Mcp-Session-Id", id) }
}

// routed sets the headers that repeat a modern body.
func routed(method, name string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Mcp-Method", method)
		if name != "" {
			r.Header.Set("Mcp-Name", name)
		}
	}
}

type wireError struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   *struct {
		Code    int64          `json:"code"`
		Message string         `json:"message"`
		Data    map[string]any `json:"data"`
	} `json:"error"`
}

// wantError checks that body is a JSON-RPC error.
func wantError(t *testing.T, body []byte, code int64, id string) wireError {
	t.Helper()
	var e wireError
	if err := json.Unmarshal(body, &e); err != nil || e.JSONRPC != "2.0" || e.Error == nil {
		t.Fatalf("not a JSON-RPC error: %.300q (%v)", body, err)
	}
	if e.Error.Code != code {
		t.Errorf("code %d, want %d: %.300s", e.Error.Code, code, body)
	}
	if string(e.ID) != id {
		t.Errorf("id %s, want %s", e.ID, id)
	}
	if len(body) > 9<<10 {
		t.Errorf("an answer of %d bytes repeats what was sent", len(body))
	}
	return e
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A wire is the client's end of a stdio session, line by line.
type wire struct {
	net.Conn
	lines *bufio.Reader
}

// stdio connects s over two pipes.
func stdio(t *testing.T, s *mcp.Server, tr *transport.Stdio) (*wire, *mcp.ServerSession) {
	t.Helper()
	inServer, inClient := net.Pipe()
	outServer, outClient := net.Pipe()
	tr.In, tr.Out = inServer, outServer
	ss, err := s.Connect(t.Context(), tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Conn: inClient, lines: bufio.NewReader(outClient)}
	t.Cleanup(func() { _ = inClient.Close(); _ = outClient.Close(); _ = ss.Wait() })
	return w, ss
}

func (w *wire) send(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *wire) line(t *testing.T) string {
	t.Helper()
	line, err := w.lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// hello makes the session ready for legacy calls.
func (w *wire) hello(t *testing.T) {
	t.Helper()
	w.send(t, initialize())
	w.line(t)
	w.send(t, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

func call(id, tool string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

// settled waits until there are no more goroutines than before.
func settled(t *testing.T, before int) {
	t.Helper()
	for range 1_000_000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

// recorded makes one modern call without a network.
func recorded(t *testing.T, h http.Handler, method, name, params string) *httptest.ResponseRecorder {
	t.Helper()
	if params != "" {
		params += ","
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/",
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{`+params+meta+`}}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("MCP-Protocol-Version", modern)
	r.Header.Set("Mcp-Method", method)
	if strings.HasSuffix(method, "/call") || strings.HasSuffix(method, "/get") || strings.HasSuffix(method, "/read") {
		r.Header.Set("Mcp-Name", name)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
