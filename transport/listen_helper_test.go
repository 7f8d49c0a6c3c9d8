package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// listenServer can tell of everything that changes.
func listenServer() *mcp.Server {
	subscribe := func(context.Context, *mcp.SubscribeRequest) error { return nil }
	return mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ServerOptions{
		Capabilities: &mcp.ServerCapabilities{
			Tools: &mcp.ToolCapabilities{ListChanged: true}, Prompts: &mcp.PromptCapabilities{ListChanged: true},
			Resources: &mcp.ResourceCapabilities{ListChanged: true, Subscribe: true},
		},
		SubscribeHandler:   subscribe,
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
}

// listenBody is a request for subscriptions.
func listenBody(id, filter string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"subscriptions/listen","params":{"notifications":` + filter + `,` + meta + `}}`
}

// A listener reads the events of one subscription.
type listener struct {
	res   *http.Response
	lines *bufio.Reader
}

func openListen(t *testing.T, url, id, filter string, alter func(*http.Request)) *listener {
	t.Helper()
	res := post(t, url, modern, listenBody(id, filter), func(r *http.Request) {
		routed("subscriptions/listen", "")(r)
		if alter != nil {
			alter(r)
		}
	})
	return &listener{res, bufio.NewReader(res.Body)}
}

// acked is an open subscription after its acknowledgement.
func acked(t *testing.T, url, filter string, alter func(*http.Request)) *listener {
	t.Helper()
	l := openListen(t, url, `"l"`, filter, alter)
	if l.res.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", l.res.StatusCode, readAll(t, l.lines))
	}
	if got := l.next(t); !strings.Contains(got, "acknowledged") {
		t.Fatalf("the first message is %s", got)
	}
	return l
}

// next returns the next message.
func (l *listener) next(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(dataLine(t, l.lines, ""))
}

// resourceUpdated says that a resource changed, for the nth time.
func resourceUpdated(t *testing.T, s *mcp.Server, uri string, n int, more string) {
	t.Helper()
	err := s.ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: uri, Meta: mcp.Meta{"n": n, "more": more}})
	if err != nil {
		t.Error(err)
	}
}

// sessions counts the sessions of s.
func sessions(s *mcp.Server) int { return len(slices.Collect(s.Sessions())) }

// eventually waits, for as long as the test may take, until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// bubbledWeb serves h in a bubble and returns what dials it.
func bubbledWeb(t *testing.T, h http.Handler) (dial func() net.Conn) {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	web := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = web.Serve(l) }()
	var open []net.Conn
	t.Cleanup(func() {
		for _, c := range open {
			_ = c.Close()
		}
		_ = web.Close()
		<-served
	})
	return func() net.Conn {
		here, there := net.Pipe()
		open = append(open, here)
		l.conns <- there
		return here
	}
}

// piped opens a subscription over a pipe and returns what reads its body.
func piped(t *testing.T, conn net.Conn, filter string, headers ...string) *bufio.Reader {
	t.Helper()
	body := listenBody(`"l"`, filter)
	if _, err := io.WriteString(conn, head(len(body), append(headers, "Mcp-Method: subscriptions/listen")...)+body); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	r := bufio.NewReader(res.Body)
	dataLine(t, r, "acknowledged")
	return r
}

// numbered is what update n sends, up to the n.
func numbered(n int) string { return fmt.Sprintf(`"n":%d}`, n) }
