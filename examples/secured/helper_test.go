package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// eras are the versions that the tests speak.
var eras = []string{"2025-11-25", "2026-07-28"}

// A running is a server as main starts it.
type running struct {
	url       string
	out, logs *lockedBuffer
}

// start runs c on a free port until the test ends. PORT in the audience is that.
func start(t *testing.T, c config) *running {
	t.Helper()
	for range 3 {
		if r := tryStart(t, c); r != nil {
			return r
		}
	}
	t.Fatal("no port is free")
	return nil
}

// tryStart returns nil if somebody else took the port meanwhile.
func tryStart(t *testing.T, c config) *running {
	t.Helper()
	c.addr = freeAddr(t)
	c.audience = strings.Replace(c.audience, "PORT", c.addr[strings.LastIndex(c.addr, ":")+1:], 1)
	r := &running{"http://" + c.addr + "/mcp", new(lockedBuffer), new(lockedBuffer)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, &c, r.out, r.logs) }()
	stop := func() error { cancel(); return <-done }
	var failed error
	eventually(t, "it runs", func() bool {
		select {
		case failed = <-done:
			return true
		default:
			return strings.HasPrefix(r.out.String(), "ready: "+r.url+"\n")
		}
	})
	if failed != nil {
		cancel()
		if !strings.Contains(failed.Error(), "address already in use") {
			t.Fatal(failed)
		}
		return nil
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return r
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}

// withIssuer runs a server that trusts an issuer of the test's own.
func withIssuer(t *testing.T, c config) (*running, *issuer) {
	t.Helper()
	i, err := newIssuer()
	must(t, err)
	t.Cleanup(i.close)
	c.issuer = i.url
	return start(t, c), i
}

func (r *running) token(t *testing.T, i *issuer, subject, role, scope string) string {
	t.Helper()
	token, err := i.token(subject, role, scope, r.url)
	must(t, err)
	return token
}

// A peer is a client that writes its own bytes.
type peer struct{ url, version, token, session string }

func (r *running) peer(t *testing.T, version, token string) *peer {
	t.Helper()
	p := &peer{url: r.url, version: version, token: token}
	if version < "2026-07-28" {
		a := p.ask(t, "initialize", `"protocolVersion":"`+version+`","capabilities":{},"clientInfo":{"name":"c","version":"1"}`, "")
		if p.session = a.header.Get("Mcp-Session-Id"); p.session == "" {
			t.Fatalf("no session: %s", a)
		}
	}
	return p
}

// An answer is all that a client sees, but for the time.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s\n%s", a.status, a.header.Get("WWW-Authenticate"), a.body)
}

var timestamps = regexp.MustCompile(`"timestamp":"[^"]*"`)

// ask sends a request; members are those of its params.
func (p *peer) ask(t *testing.T, method, members, name string) answer {
	t.Helper()
	modern := p.version >= "2026-07-28"
	if modern {
		members = `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + p.version + `","io.modelcontextprotocol/clientCapabilities":{}},` + members
		members = strings.TrimSuffix(members, ",")
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, members)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url, strings.NewReader(body))
	must(t, err)
	set := func(header, value string, needed bool) {
		if needed && value != "" {
			req.Header.Set(header, value)
		}
	}
	set("Content-Type", "application/json", true)
	set("Accept", "application/json, text/event-stream", true)
	set("X-Request-Id", "same", true)
	set("Authorization", "Bearer "+p.token, p.token != "")
	set("MCP-Protocol-Version", p.version, modern || p.session != "")
	set("Mcp-Session-Id", p.session, true)
	set("Mcp-Method", method, modern)
	set("Mcp-Name", name, modern)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	return received(t, res)
}

func received(t *testing.T, res *http.Response) answer {
	t.Helper()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	return answer{res.StatusCode, res.Header, timestamps.ReplaceAllString(string(text), `"timestamp":""`)}
}

func (p *peer) call(t *testing.T, tool, arguments string) answer {
	t.Helper()
	return p.ask(t, "tools/call", fmt.Sprintf(`"name":%q,"arguments":%s`, tool, arguments), tool)
}

func (p *peer) read(t *testing.T, uri string) answer {
	t.Helper()
	return p.ask(t, "resources/read", fmt.Sprintf(`"uri":%q`, uri), uri)
}

// has fails the test unless the answer has that status and all of texts.
func (a answer) has(t *testing.T, status int, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.String(), text) {
			t.Errorf("no %s in %s", text, a)
		}
	}
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a)
	}
}

// like fails the test unless both answers are the same, but for the name asked for.
func (a answer) like(t *testing.T, name string, b answer, other string) {
	t.Helper()
	if got, want := strings.ReplaceAll(a.String(), name, "NAME"), strings.ReplaceAll(b.String(), other, "NAME"); got != want {
		t.Errorf("%s and %s can be told apart:\n%s\n%s", name, other, got, want)
	}
}

// eventually polls until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !so() {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
