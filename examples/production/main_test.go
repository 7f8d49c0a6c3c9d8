package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/server"
)

// try is what -no-auth means, on free ports and with a file of the test's.
func try(t *testing.T, args ...string) *config {
	t.Helper()
	c, err := readConfig(append([]string{"-no-auth", "-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	c.Store.SQLite = filepath.Join(t.TempDir(), "notes.db")
	return c
}

func defaultAddrs(t *testing.T) *config {
	t.Helper()
	c, err := readConfig([]string{"-no-auth"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stopNow ends a server that never ran.
func stopNow(t *testing.T, srv *server.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // that of the test is over
	cancel()
	if err := srv.Run(ctx); err != nil {
		t.Error(err)
	}
}

// A lines is a log that is written to by many.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs the program until the test ends, or stop is called.
func start(t *testing.T, c *config) (url, admin string, logs *lines, stop func() (out string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	logs = new(lines)
	done := make(chan error, 1)
	go func() {
		err := run(ctx, c, w, logs)
		_ = w.CloseWithError(io.EOF)
		done <- err
	}()
	rest := make(chan string, 1)
	stop = sync.OnceValue(func() string {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the stop: %v", err)
		}
		return <-rest
	})
	t.Cleanup(func() { stop() })
	told := make([]byte, 1024)
	n, err := r.Read(told)
	if err != nil {
		t.Fatalf("it did not start: %v\n%s", err, logs)
	}
	go func() {
		all, _ := io.ReadAll(r) // until run has ended
		rest <- string(all)
	}()
	for line := range strings.Lines(string(told[:n])) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "ready":
			url = value
		case "admin":
			admin = strings.TrimSuffix(value, "/readyz")
		}
	}
	return url, admin, logs, stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// A bearer adds a token.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func connect(t *testing.T, url, token, version string) *mcp.ClientSession {
	t.Helper()
	c, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearer(token)}},
		&mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func call(t *testing.T, c *mcp.ClientSession, tool string, args any) string {
	t.Helper()
	res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return err.Error()
	}
	text, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ready waits until all checks have passed once.
func ready(t *testing.T, admin string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for status := 0; status != http.StatusOK; {
		<-tick.C
		status, _ = get(t, admin+"/startupz")
	}
}

func TestProduction_KeepsNotesOverARestart(t *testing.T) {
	c := try(t)
	c.Drain.Wait = time.Millisecond
	url, admin, logs, stop := start(t, c)
	ready(t, admin)
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		s := connect(t, url, "", version)
		if got := call(t, s, "note_write", Note{"n" + version[:4], "hello"}); strings.Contains(got, "isError") {
			t.Errorf("%s: %s", version, got)
		}
	}
	if status, body := get(t, admin+"/readyz"); status != http.StatusOK || !strings.Contains(body, "events:responseTime") || !strings.Contains(body, "readers:responseTime") {
		t.Errorf("readyz: %d %s", status, body)
	}
	for _, want := range []string{
		`trestle_calls_total{code="ok",method="tools/call",name="note_write"} 2`, `trestle_pool_size_limit{pool="readers"} 4`, "go_goroutines",
	} {
		if status, body := get(t, admin+"/metrics"); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("metrics: %d, no %s", status, want)
		}
	}
	if !strings.Contains(logs.String(), `"audit"`) {
		t.Error("no audit")
	}
	if traces := stop(); strings.Count(traces, `"tools/call note_write"`) != 2 {
		t.Errorf("the traces were not flushed: %.500s", traces)
	}
	url, admin, _, _ = start(t, c)
	ready(t, admin)
	s := connect(t, url, "", "2026-07-28")
	if got := call(t, s, "note_read", NoteID{"n2025"}); !strings.Contains(got, "hello") {
		t.Errorf("after a restart: %s", got)
	}
	if got := call(t, s, "events_count", nil); !strings.Contains(got, `"events":2`) {
		t.Errorf("counted %s", got)
	}
	if got := call(t, s, "chaos_panic", nil); !strings.Contains(got, "unknown tool") {
		t.Errorf("chaos without -chaos: %s", got)
	}
}

func TestProduction_ChaosHurtsNobodyElse(t *testing.T) {
	c := try(t, "-chaos")
	c.Drain.Wait = time.Millisecond
	url, admin, logs, _ := start(t, c)
	ready(t, admin)
	s := connect(t, url, "", "2026-07-28")
	for _, tool := range []string{"chaos_panic", "chaos_error"} {
		if got := call(t, s, tool, nil); !strings.Contains(got, "internal error") || strings.Contains(got, canary) {
			t.Errorf("%s: %s", tool, got)
		}
	}
	if got := call(t, s, "note_list", nil); strings.Contains(got, "isError") {
		t.Errorf("afterwards: %s", got)
	}
	if strings.Contains(logs.String(), canary) {
		t.Error("the log has the secret")
	}
}

func TestProduction_KnowsWhoCallsAndWhatTheyMay(t *testing.T) {
	dir := t.TempDir()
	keys := map[string]string{}
	var file bytes.Buffer
	for _, role := range []string{"reader", "editor", "operator"} {
		key, record, err := auth.NewAPIKey(role, role+"@example.com")
		if err != nil {
			t.Fatal(err)
		}
		record.Roles = []string{role}
		if err := json.NewEncoder(&file).Encode(record); err != nil {
			t.Fatal(err)
		}
		keys[role] = key
	}
	keyFile := filepath.Join(dir, "keys")
	if err := os.WriteFile(keyFile, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "production.yaml")
	text := "addr: 127.0.0.1:0\nadmin: 127.0.0.1:0\nauth: {api_keys: " + keyFile + "}\nstore: {sqlite: " + filepath.Join(dir, "notes.db") + "}\ndrain: {wait: 1ms}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := readConfig([]string{"-config", path})
	if err != nil {
		t.Fatal(err)
	}
	if c.Drain.Timeout != 20*time.Second {
		t.Errorf("what the file leaves out is not the default: %v", c.Drain.Timeout)
	}
	url, admin, _, _ := start(t, c)
	ready(t, admin)
	if status, _ := get(t, url); status != http.StatusUnauthorized {
		t.Errorf("a stranger: %d", status)
	}
	write := Note{"a", "text"}
	for role, may := range map[string]bool{"reader": false, "editor": true, "operator": true} {
		s := connect(t, url, keys[role], "2026-07-28")
		if got := call(t, s, "note_write", write); strings.Contains(got, `"notes":1`) != may {
			t.Errorf("%s writes: %s", role, got)
		}
		_, err := s.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: server.HealthURI})
		if (err == nil) != (role == "operator") {
			t.Errorf("%s reads the health: %v", role, err)
		}
	}
}

func TestConfig_SaysWhatIsWrong(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("listen: 1.2.3.4:80\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"nobody could call":   nil,
		"loopback":            {"-no-auth", "-addr", "0.0.0.0:8080"},
		"listen":              {"-no-auth", "-config", bad},
		"no such file":        {"-no-auth", "-config", bad + "x"},
		`"what" is no flag`:   {"-no-auth", "what"},
		"-postgres is no URL": {"-no-auth", "-postgres", "postgres://u:hunter2@:x/"},
	} {
		c, err := readConfig(args)
		if err == nil {
			c.Addr, c.Admin = "127.0.0.1:0", "127.0.0.1:0"
			err = run(t.Context(), c, io.Discard, io.Discard)
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
