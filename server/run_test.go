package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/server"
)

// childEnv makes the test binary a server: over HTTP at the address it holds,
// or over stdio.
const childEnv = "TRESTLE_SERVER_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		os.Exit(child(strings.TrimPrefix(mode, "stdio")))
	}
	if config := os.Getenv(replicaEnv); config != "" {
		os.Exit(replica(config))
	}
	os.Exit(m.Run())
}

// child serves a tool that says on stdout when it starts and then waits.
func child(addr string) int {
	srv, err := server.New("child", "1", &server.Options{Addr: addr, Logger: zap.NewNop(), DrainTimeout: time.Minute})
	if err != nil {
		return 2
	}
	type waitIn struct {
		Ms int `json:"ms"`
	}
	_ = server.AddTool(srv, tool("wait"), func(ctx context.Context, in waitIn) (string, error) {
		fmt.Println("started") //nolint:forbidigo // a stray print is what is tested
		select {
		case <-time.After(time.Duration(in.Ms) * time.Millisecond):
			return "waited", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	go func() {
		<-srv.Ready()
		fmt.Println("ready", srv.Addr()) //nolint:forbidigo // the parent reads it
	}()
	if err := srv.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type process struct {
	*exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr *bufio.Reader
}

func start(t *testing.T, mode string) *process {
	t.Helper()
	exe, err := os.Executable()
	mustAdd(t, err)
	p := &process{Cmd: exec.CommandContext(t.Context(), exe)}
	p.Env = append(os.Environ(), childEnv+"="+mode)
	p.stdin, err = p.StdinPipe()
	mustAdd(t, err)
	stdout, err := p.StdoutPipe()
	mustAdd(t, err)
	stderr, err := p.StderrPipe()
	mustAdd(t, err)
	p.stdout, p.stderr = bufio.NewReader(stdout), bufio.NewReader(stderr)
	mustAdd(t, p.Start())
	return p
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil && s == "" {
		t.Fatalf("reading a line: %v", err)
	}
	return strings.TrimSpace(s)
}

func (p *process) exit(t *testing.T) int {
	t.Helper()
	_, _ = io.Copy(io.Discard, p.stdout)
	_, _ = io.Copy(io.Discard, p.stderr)
	_ = p.Wait() // the code says it
	return p.ProcessState.ExitCode()
}

// post makes a modern call of wait and returns its status and body.
func post(t *testing.T, url string, ms int) (int, string) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait","arguments":{"ms":%d},`+
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, ms)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "wait",
	} {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(all)
}

func TestThreat43_SIGTERMInMidCallAnswersItAndExitsZero(t *testing.T) {
	p := start(t, "127.0.0.1:0")
	url := "http://" + strings.TrimPrefix(line(t, p.stdout), "ready ") + "/mcp"
	answered := make(chan string)
	go func() {
		_, body := post(t, url, 300)
		answered <- body
	}()
	if got := line(t, p.stdout); got != "started" {
		t.Fatalf("got %q", got)
	}
	mustAdd(t, p.Process.Signal(syscall.SIGTERM))
	if body := <-answered; !strings.Contains(body, "waited") {
		t.Errorf("the running call was answered %q", body)
	}
	if code := p.exit(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestThreat43_ASecondSignalStopsAtOnce(t *testing.T) {
	p := start(t, "127.0.0.1:0")
	url := "http://" + strings.TrimPrefix(line(t, p.stdout), "ready ") + "/mcp"
	go post(t, url, 50_000)
	line(t, p.stdout)
	began := time.Now()
	mustAdd(t, p.Process.Signal(syscall.SIGTERM))
	// Refused calls show that the first signal was seen.
	for status := 0; status != http.StatusServiceUnavailable; {
		status, _ = post(t, url, 0)
	}
	mustAdd(t, p.Process.Signal(syscall.SIGTERM))
	if code := p.exit(t); code == 0 {
		t.Error("a call was cut off and the exit code is 0")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestStdio_AnswersBadLinesKeepsStdoutCleanAndDrainsAtEOF(t *testing.T) {
	p := start(t, "stdio")
	send := func(s string) {
		_, err := io.WriteString(p.stdin, s+"\n")
		mustAdd(t, err)
	}
	if got := line(t, p.stderr); got != "ready" {
		t.Fatalf("stderr: %q; a print while stdio is served belongs there", got)
	}
	send(`{{{`)
	if got := line(t, p.stdout); !strings.Contains(got, "-32700") || !strings.Contains(got, `"id":null`) {
		t.Errorf("a bad line was answered %q", got)
	}
	send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`)
	if got := line(t, p.stdout); !strings.Contains(got, `"protocolVersion":"2025-11-25"`) {
		t.Errorf("the next line was answered %q", got)
	}
	send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"wait","arguments":{"ms":200}}}`)
	mustAdd(t, p.stdin.Close())
	if got := line(t, p.stdout); !strings.Contains(got, `"id":2`) || !strings.Contains(got, "waited") {
		t.Errorf("the call that ran at EOF was answered %q", got)
	}
	if got := line(t, p.stderr); got != "started" {
		t.Errorf("THREATS 47: the tool's print went elsewhere; stderr has %q", got)
	}
	if code := p.exit(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestStdio_SIGTERMAnswersWhatRuns(t *testing.T) {
	p := start(t, "stdio")
	line(t, p.stderr)
	_, err := io.WriteString(p.stdin, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"wait","arguments":{"ms":300},"_meta":`+
		`{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`+"\n")
	mustAdd(t, err)
	line(t, p.stderr) // started
	mustAdd(t, p.Process.Signal(syscall.SIGTERM))
	if got := line(t, p.stdout); !strings.Contains(got, "waited") {
		t.Errorf("answered %q", got)
	}
	if code := p.exit(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestRun_ServesHTTPUntilItsContextEnds(t *testing.T) {
	srv, _ := newServer(t, server.Options{Addr: "127.0.0.1:0", Path: "/here"})
	mustAdd(t, server.AddTool(srv, tool("add"), add))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	if srv.Addr() != "" {
		t.Error("an address before it listens")
	}
	go func() { done <- srv.Run(ctx) }()
	<-srv.Ready()
	url := "http://" + srv.Addr()
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		c, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(),
			&mcp.StreamableClientTransport{Endpoint: url + "/here"}, &mcp.ClientSessionOptions{ProtocolVersion: version})
		mustAdd(t, err)
		res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: addIn{1, 2}})
		if err != nil || res.IsError {
			t.Errorf("%s: %+v, %v", version, res, err)
		}
		defer c.Close() // only now: its open streams must not keep Run
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/elsewhere", nil)
	mustAdd(t, err)
	res, err := http.DefaultClient.Do(req)
	mustAdd(t, err)
	hint, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound || !strings.Contains(string(hint), "/here") {
		t.Errorf("%d %s", res.StatusCode, hint)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := srv.Run(t.Context()); err == nil {
		t.Error("Run ran twice")
	}
}

func TestRun_ServesAtTheRoot(t *testing.T) {
	srv, _ := newServer(t, server.Options{Addr: "127.0.0.1:0", Path: "/"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	<-srv.Ready()
	c, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: "http://" + srv.Addr()}, nil)
	mustAdd(t, err)
	_ = c.Close()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRun_SaysWhyItCannotListen(t *testing.T) {
	taken := httptest.NewServer(nil)
	defer taken.Close()
	srv, _ := newServer(t, server.Options{Addr: taken.Listener.Addr().String()})
	if err := srv.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "Addr") {
		t.Errorf("got %v", err)
	}
}

func TestThreat17_BeyondLoopbackNeedsAuthenticationOrALongName(t *testing.T) {
	run := func(o server.Options) (error, bool) {
		o.Addr = "0.0.0.0:0"
		srv, logs := newServer(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- srv.Run(ctx) }()
		select {
		case err := <-done:
			return err, false
		case <-srv.Ready():
			cancel()
			return <-done, logs.FilterMessageSnippet("InsecureNoAuth").Len() > 0
		}
	}
	if err, _ := run(server.Options{}); err == nil || !strings.Contains(err.Error(), "without authentication") {
		t.Errorf("it listened: %v", err)
	}
	if err, warned := run(server.Options{InsecureNoAuth: true}); err != nil || !warned {
		t.Errorf("with the long name: %v, warned %t", err, warned)
	}
	same := func(h http.Handler) http.Handler { return h }
	if err, warned := run(server.Options{Authenticate: same}); err != nil || warned {
		t.Errorf("with authentication: %v, warned %t", err, warned)
	}
}

func TestHandler_MountsInAnyRouterAndDrains(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("wait"), func(context.Context, struct {
		Ms int `json:"ms"`
	},
	) (string, error) {
		return "waited", nil
	}))
	h, err := srv.Handler()
	mustAdd(t, err)
	mux := http.NewServeMux()
	mux.Handle("/deep/inside/", h)
	web := httptest.NewServer(mux)
	defer web.Close()
	if status, body := post(t, web.URL+"/deep/inside/", 0); status != http.StatusOK || !strings.Contains(body, "waited") {
		t.Errorf("%d %s", status, body)
	}
	mustAdd(t, srv.Drain(t.Context()))
	if status, body := post(t, web.URL+"/deep/inside/", 0); status != http.StatusServiceUnavailable || !strings.Contains(body, "retryAfterMs") {
		t.Errorf("after Drain: %d %s", status, body)
	}
}

func TestAuthenticate_StandsBeforeTheHandler(t *testing.T) {
	srv, _ := newServer(t, server.Options{Authenticate: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	}})
	h, err := srv.Handler()
	mustAdd(t, err)
	web := httptest.NewServer(h)
	defer web.Close()
	if status, _ := post(t, web.URL, 0); status != http.StatusUnauthorized {
		t.Errorf("%d", status)
	}
}
