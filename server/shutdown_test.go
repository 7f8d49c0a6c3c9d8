package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// fetch makes a request and returns its status and body.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	res := request(t, http.MethodGet, url, "", nil)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	mustAdd(t, err)
	return res.StatusCode, string(body)
}

func request(t *testing.T, method, url, body string, header map[string]string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	mustAdd(t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	mustAdd(t, err)
	return res
}

func modernHeader(method, name string) map[string]string {
	h := map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method,
	}
	if name != "" {
		h["Mcp-Name"] = name
	}
	return h
}

// startEcho makes a modern call that takes a while, and returns its answer.
func startEcho(t *testing.T, p *replicaProcess, ms int) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url, strings.NewReader(echo(7, ms)))
	mustAdd(t, err)
	for k, v := range modernHeader("tools/call", "echo") {
		req.Header.Set(k, v)
	}
	answer := make(chan string, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil { // it was cut
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		answer <- fmt.Sprint(string(body), err)
	}()
	p.says(t, "waiting")
	return answer
}

func wantExit(t *testing.T, p *replicaProcess, want int, since time.Time, limit time.Duration) {
	t.Helper()
	code := p.exit()
	took := time.Since(since)
	if code != want {
		t.Errorf("exit %d, want %d", code, want)
	}
	t.Logf("ended after %v; the limit is %v", took.Round(time.Millisecond), limit)
	if took > limit+30*time.Second { // a busy machine is slow, not hung
		t.Errorf("ended after %v with a limit of %v", took, limit)
	}
}

func TestSIGTERM_DuringTheStartClosesAndExitsZero(t *testing.T) {
	p := spawn(t, replicaConfig{HoldStart: true, Wait: -1, Drain: time.Minute})
	p.says(t, "starting")
	p.signal(t, syscall.SIGTERM)
	began := time.Now()
	p.says(t, "unready")
	_, err := io.WriteString(p.stdin, "go on\n")
	mustAdd(t, err)
	p.says(t, "closed")
	wantExit(t, p, 0, began, time.Minute)
}

func TestSIGTERM_TwiceDuringTheStartEndsAtOnce(t *testing.T) {
	p := spawn(t, replicaConfig{HoldStart: true, Wait: time.Hour, Drain: time.Hour})
	p.says(t, "starting")
	p.signal(t, syscall.SIGTERM)
	p.says(t, "unready")
	p.signal(t, syscall.SIGTERM)
	wantExit(t, p, 143, time.Now(), 0)
}

func TestSIGTERM_BeforeTheFirstSuccessfulCheckIsAnOrdinaryStop(t *testing.T) {
	p := spawn(t, replicaConfig{HoldCheck: true, Wait: time.Millisecond, Drain: time.Minute}).ready(t)
	if status, _ := fetch(t, p.admin+"/startupz"); status != http.StatusServiceUnavailable {
		t.Errorf("startupz: %d", status)
	}
	p.signal(t, syscall.SIGTERM)
	p.says(t, "closed")
	wantExit(t, p, 0, time.Now(), p.limit)
}

func TestSIGTERM_ServesOnWhileUnreadyAndThenRefuses(t *testing.T) {
	p := spawn(t, replicaConfig{Wait: 500 * time.Millisecond, Drain: time.Minute}).ready(t)
	if status, _ := fetch(t, p.admin+"/readyz"); status != http.StatusOK {
		t.Fatalf("readyz: %d", status)
	}
	answer := startEcho(t, p, 1500)
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	for ready := http.StatusOK; ready == http.StatusOK; {
		ready, _ = fetch(t, p.admin+"/readyz")
	}
	served := 0
	for { // until it refuses; the running call keeps it from ending
		res := request(t, http.MethodPost, p.url, echo(1, 0), modernHeader("tools/call", "echo"))
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			served++
			if !res.Close {
				t.Error("the connection is kept, and with it the client")
			}
			continue
		}
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "retryAfterMs") {
			t.Errorf("refused with %d, %v, %s", res.StatusCode, res.Header, body)
		}
		break
	}
	if served == 0 {
		t.Error("no call was served while unready")
	}
	if status, _ := fetch(t, p.admin+"/livez"); status != http.StatusOK {
		t.Errorf("livez: %d in a drain", status)
	}
	if got := <-answer; !strings.Contains(got, `"n":7`) {
		t.Errorf("the running call got %q", got)
	}
	wantExit(t, p, 0, began, p.limit)
}

func TestSIGTERM_ASecondOneDuringTheDrainEndsAtOnce(t *testing.T) {
	p := spawn(t, replicaConfig{Wait: -1, Drain: time.Hour}).ready(t)
	answer := startEcho(t, p, 50_000)
	p.signal(t, syscall.SIGTERM)
	for { // until it drains
		res := request(t, http.MethodPost, p.url, echo(1, 0), modernHeader("tools/call", "echo"))
		_ = res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	began := time.Now()
	p.signal(t, syscall.SIGINT)
	wantExit(t, p, 130, began, 0)
	<-answer
}

func TestSIGTERM_AHungHookIsLeftBehind(t *testing.T) {
	p := spawn(t, replicaConfig{Wait: -1, Drain: time.Millisecond, Hooks: []string{"sound", "hangs"}}).ready(t)
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.says(t, "hangs")
	p.says(t, "sound")
	wantExit(t, p, 1, began, p.limit)
}

func TestSIGTERM_APanickingHookIsAnError(t *testing.T) {
	p := spawn(t, replicaConfig{Wait: -1, Drain: time.Second, Hooks: []string{"sound", "panics"}}).ready(t)
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.says(t, "panics")
	p.says(t, "sound")
	wantExit(t, p, 1, began, p.limit)
}

func TestSIGTERM_AtTheDeadlineCallsAreCanceled(t *testing.T) {
	p := spawn(t, replicaConfig{Wait: -1, Drain: 100 * time.Millisecond}).ready(t)
	answer := startEcho(t, p, 50_000)
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	wantExit(t, p, 1, began, p.limit)
	<-answer
}

// openStream reads a stream until a line that has want in it.
func openStream(t *testing.T, res *http.Response, want string) *bufio.Reader {
	t.Helper()
	r := bufio.NewReader(res.Body)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("no %q: %v", want, err)
		}
		if strings.Contains(line, want) {
			return r
		}
	}
}

func TestSIGTERM_WithOpenStreamsEndsThemAndExitsZero(t *testing.T) {
	// Less than the 5 s for which net/http waits for a connection without requests.
	p := spawn(t, replicaConfig{Wait: -1, Drain: 4 * time.Second}).ready(t)
	c, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: p.url, DisableStandaloneSSE: true}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	mustAdd(t, err)
	get := openStream(t, request(t, http.MethodGet, p.url, "", map[string]string{
		"Accept": "text/event-stream", "MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": c.ID(),
	}), ": ok")
	listen := openStream(t, request(t, http.MethodPost, p.url,
		`{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+modernMeta+`}}`,
		modernHeader("subscriptions/listen", "")), "acknowledged")
	// And a connection on which nothing is ever sent.
	idle, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/mcp"))
	mustAdd(t, err)
	defer idle.Close()
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	for _, stream := range []*bufio.Reader{get, listen} {
		if _, err := io.ReadAll(stream); err != nil {
			t.Errorf("a stream was cut: %v", err)
		}
	}
	wantExit(t, p, 0, began, p.limit)
}
