package httptool_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An upstream is an HTTP service over TLS that remembers what it was sent.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []sent
}

type sent struct {
	method, uri, body string
	header            http.Header
}

// serve starts an upstream that answers with h; nil answers {"ok":true}. addr is
// where, and loopback if it is left out.
func serve(t *testing.T, h http.HandlerFunc, addr ...string) *upstream {
	t.Helper()
	u := new(upstream)
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		u.mu.Lock()
		u.seen = append(u.seen, sent{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		u.mu.Unlock()
		if h != nil {
			h(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	for _, a := range addr {
		l, err := net.Listen("tcp4", a)
		must(t, err)
		must(t, u.Listener.Close())
		u.Listener = l
	}
	u.StartTLS()
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.seen)
}

func (u *upstream) last(t *testing.T) sent {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		t.Fatal("nothing was sent")
	}
	return u.seen[len(u.seen)-1]
}

// host is where u listens, without a scheme.
func (u *upstream) host() string { return strings.TrimPrefix(u.URL, "https://") }

func (u *upstream) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(u.Certificate())
	return pool
}

// head is the start of a description of u.
func (u *upstream) head() string {
	return fmt.Sprintf("name: test\nversion: 1.0.0\nbase_url: %s/v1\naddresses: [loopback]\n", u.URL)
}

// plugin makes a plugin of a description whose head u writes.
func (u *upstream) plugin(t *testing.T, text string, edit ...func(*httptool.Options)) *httptool.Plugin {
	t.Helper()
	return u.parsed(t, u.head()+text, edit...)
}

func (u *upstream) parsed(t *testing.T, text string, edit ...func(*httptool.Options)) *httptool.Plugin {
	t.Helper()
	spec, err := httptool.Parse("test.yaml", []byte(text))
	must(t, err)
	o := &httptool.Options{RootCAs: u.pool()}
	for _, e := range edit {
		e(o)
	}
	p, err := httptool.New(spec, o)
	must(t, err)
	t.Cleanup(func() { must(t, p.Stop(t.Context())) })
	return p
}

// failure returns the code and the text that a caller sees, and whether a model
// sees it as the result of the tool.
func failure(t *testing.T, res *mcp.CallToolResult, err error) (code mcperrors.Code, text string, result bool) {
	t.Helper()
	if err != nil {
		e := mcperrors.From(err)
		return e.Code, e.Text(), e.Code.IsToolResult()
	}
	if !res.IsError {
		t.Fatalf("no failure: %s", shown(res))
	}
	return mcperrors.CodeOf(res.GetError()), shown(res), true
}

func shown(res *mcp.CallToolResult) string {
	var texts []string
	for _, c := range res.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			texts = append(texts, text.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// tick is for polling what has no event, until the test's end.
func tick(t *testing.T) <-chan struct{} {
	t.Helper()
	c := make(chan struct{})
	time.AfterFunc(time.Millisecond, func() { close(c) })
	return c
}
