package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// A dam is a middleware that holds back notifications, and calls of the tool
// "deaf", which hears no cancellation.
type dam struct {
	held  atomic.Int64 // now
	most  atomic.Int64
	leave chan struct{}
}

func newDam() (*dam, *mcp.Server) {
	d := &dam{leave: make(chan struct{})}
	s := newServer(newGate())
	s.AddTool(&mcp.Tool{Name: "deaf", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			d.hold()
			return textResult("done"), nil
		})
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "notifications/progress" {
				d.hold()
			}
			return next(ctx, method, req)
		}
	})
	return d, s
}

func (d *dam) hold() {
	d.most.Store(max(d.most.Load(), d.held.Add(1)))
	<-d.leave
	d.held.Add(-1)
}

const progressNote = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}}`

// flood sends the same n times at once, and returns how often each status was
// the answer, and whether all refusals say when to come back.
func flood(n int, send func(i int) *httptest.ResponseRecorder) <-chan map[int]int {
	answers := make(chan *httptest.ResponseRecorder, n)
	for i := range n {
		go func() { answers <- send(i) }() // ends when the dam is opened
	}
	counted := make(chan map[int]int, 1)
	go func() {
		statuses := map[int]int{}
		for range n {
			w := <-answers
			if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "1" {
				w.Code = 0
			}
			statuses[w.Code]++
		}
		counted <- statuses
	}()
	return counted
}

func wantStatuses(t *testing.T, got map[int]int, want map[int]int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("answers %v, want %v", got, want)
	}
}

func TestFlood_Threat22_LegacyNotificationsAreBoundedBySession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDam()
		h := newHandler(t, s, &transport.Options{MaxSessionStreams: 8})
		session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
		other := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
		statuses := flood(1000, func(int) *httptest.ResponseRecorder { return play(t, h, session, progressNote, nil) })
		synctest.Wait()
		if n := d.held.Load(); n != 8+64 {
			t.Errorf("%d notifications are held", n)
		}
		if w := play(t, h, other, call("1", "echo"), nil); w.Code != http.StatusOK {
			t.Errorf("another session: %d", w.Code)
		}
		close(d.leave)
		wantStatuses(t, <-statuses, map[int]int{202: 72, 429: 928})
		if w := play(t, h, session, progressNote, nil); w.Code != http.StatusAccepted {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

// A slowWriter holds back the header of accepted notifications.
type slowWriter struct {
	http.ResponseWriter
	dam *dam
}

// Unwrap lets an http.ResponseController reach what is below.
func (w *slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *slowWriter) WriteHeader(status int) {
	if status == http.StatusAccepted {
		w.dam.hold()
	}
	w.ResponseWriter.WriteHeader(status)
}

func TestFlood_Threat22_ModernNotificationsAreBoundedByPrincipal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDam()
		h := newHandler(t, s, &transport.Options{Principal: whoFrom})
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { who(h).ServeHTTP(&slowWriter{w, d}, r) })
		as := func(name, method, body string) *httptest.ResponseRecorder {
			return play(t, slow, "", body, func(r *http.Request) {
				r.Header.Set("X-Who", name)
				r.Header.Set("MCP-Protocol-Version", modern)
				routed(method, "")(r)
			})
		}
		note := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9,` + meta + `}}`
		statuses := flood(1000, func(int) *httptest.ResponseRecorder { return as("alice", "notifications/cancelled", note) })
		synctest.Wait()
		if n := d.held.Load(); n != 256 {
			t.Errorf("%d notifications are held", n)
		}
		bobs := flood(1, func(int) *httptest.ResponseRecorder { return as("bob", "notifications/cancelled", note) })
		synctest.Wait()
		if n := d.held.Load(); n != 257 {
			t.Errorf("%d notifications are held with another caller's", n)
		}
		list := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}}`
		if w := as("alice", "tools/list", list); w.Code != http.StatusOK {
			t.Errorf("a call: %d", w.Code)
		}
		close(d.leave)
		wantStatuses(t, <-statuses, map[int]int{202: 256, 429: 744})
		wantStatuses(t, <-bobs, map[int]int{202: 1})
		if w := as("alice", "notifications/cancelled", note); w.Code != http.StatusAccepted {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

func TestFlood_Threat22_CanceledRequestsKeepTheirPlaceWhileTheirHandlersRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDam()
		h := newHandler(t, s, &transport.Options{MaxSessionStreams: 8})
		session := play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
		statuses := flood(200, func(i int) *httptest.ResponseRecorder {
			id := fmt.Sprint(i)
			w := play(t, h, session, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+id+`}}`, nil)
			if w.Code != http.StatusAccepted {
				return w
			}
			return play(t, h, session, call(id, "deaf"), nil)
		})
		synctest.Wait()
		for i := range 200 { // canceling works at the bound, and changes nothing
			w := play(t, h, session, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, i), nil)
			if w.Code != http.StatusAccepted {
				t.Fatalf("at the bound a cancel gets %d", w.Code)
			}
		}
		if n := d.held.Load(); n != 8 || d.most.Load() != 8 {
			t.Errorf("%d calls run, %d at most", n, d.most.Load())
		}
		close(d.leave)
		wantStatuses(t, <-statuses, map[int]int{200: 8, 429: 192})
		if w := play(t, h, session, call("1", "echo"), nil); w.Code != http.StatusOK {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

func TestFlood_Threat22_ASessionAtItsBoundTakesAnswersAndDELETE(t *testing.T) {
	g := newGate()
	_, ts := serve(t, newServer(g), &transport.Options{MaxSessionStreams: 1})
	session := open(t, ts.URL, nil)
	res := post(t, ts.URL, legacy, call("1", "ask"), inSession(session))
	<-g.entered
	if status := refusedCall(t, ts.URL, session); status != http.StatusTooManyRequests {
		t.Fatalf("a call beyond the bound: %d", status)
	}
	if res, _ := get(t, ts.URL, session, ""); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a stream beyond the bound: %d", res.StatusCode)
	}
	answer := post(t, ts.URL, legacy, `{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}`, inSession(session))
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("the answer that ends the call: %d", answer.StatusCode)
	}
	if got := readAll(t, res.Body); !strings.Contains(got, "decline") {
		t.Errorf("the call got %q", got)
	}
	post(t, ts.URL, legacy, call("2", "ask"), inSession(session))
	<-g.entered
	if res := post(t, ts.URL, legacy, "", func(r *http.Request) { inSession(session)(r); r.Method = http.MethodDelete }); res.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE: %d", res.StatusCode)
	}
}
