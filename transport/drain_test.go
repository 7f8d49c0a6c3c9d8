package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// get opens a GET stream of a legacy session and returns it after its first line.
func get(t *testing.T, url, session, after string) (*http.Response, *bufio.Reader) {
	t.Helper()
	res := post(t, url, legacy, "", func(r *http.Request) {
		r.Method = http.MethodGet
		r.Header.Set("Mcp-Session-Id", session)
		if after != "" {
			r.Header.Set("Last-Event-ID", after)
		}
	})
	return res, bufio.NewReader(res.Body)
}

const listen = `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},` + meta + `}}`

// waitCall starts a call of the tool wait and returns what will be its answer.
func waitCall(t *testing.T, url, version, session string, g *gate) <-chan string {
	t.Helper()
	answer := make(chan string, 1)
	body, alter := call("9", "wait"), inSession(session)
	if version == modern {
		body = strings.Replace(body, `"arguments"`, meta+`,"arguments"`, 1)
		alter = routed("tools/call", "wait")
	}
	go func() {
		res := post(t, url, version, body, alter)
		answer <- readAll(t, res.Body)
	}()
	<-g.entered
	return answer
}

func TestDrain_AnswersWhatRunsAndRefusesWhatComes(t *testing.T) {
	for _, version := range []string{legacy, modern} {
		t.Run(version, func(t *testing.T) {
			g := newGate()
			h, ts := serve(t, newServer(g), nil)
			session := open(t, ts.URL, nil)
			answer := waitCall(t, ts.URL, version, session, g)
			_, stream := get(t, ts.URL, session, "")
			listening := post(t, ts.URL, modern, listen, routed("subscriptions/listen", ""))
			acked := bufio.NewReader(listening.Body)
			for line := ""; !strings.Contains(line, "acknowledged"); {
				line, _ = acked.ReadString('\n')
			}

			drained := make(chan error, 1)
			go func() { drained <- h.Drain(t.Context()) }()
			for refusedCall(t, ts.URL, session) != http.StatusServiceUnavailable {
				// the drain has not begun
			}
			res := post(t, ts.URL, modern, `{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{`+meta+`}}`, routed("tools/list", ""))
			e := wantError(t, []byte(readAll(t, res.Body)), 503, "5")
			if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" || e.Error.Data["retryAfterMs"] != 1000.0 || e.Error.Data["type"] != "unavailable" {
				t.Errorf("status %d, %v, data %v", res.StatusCode, res.Header, e.Error.Data)
			}
			if res, _ := get(t, ts.URL, session, ""); res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("a new GET: status %d", res.StatusCode)
			}
			res = post(t, ts.URL, legacy, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, inSession(session))
			if res.StatusCode != http.StatusAccepted {
				t.Errorf("a notification: status %d", res.StatusCode)
			}
			select {
			case err := <-drained:
				t.Fatalf("drained with a call running: %v", err)
			default:
			}
			close(g.leave)
			if got := <-answer; !strings.Contains(got, `"done"`) {
				t.Errorf("the running call got %q", got)
			}
			if err := <-drained; err != nil {
				t.Error(err)
			}
			for _, r := range []*bufio.Reader{stream, acked} {
				readAll(t, r) // ends
			}
			if err := ts.Config.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDrain_EndsIdleStreamsBeforeCallsEnd(t *testing.T) {
	g := newGate()
	h, ts := serve(t, newServer(g), nil)
	busy, idle := open(t, ts.URL, nil), open(t, ts.URL, nil)
	answer := waitCall(t, ts.URL, legacy, busy, g)
	_, kept := get(t, ts.URL, busy, "")
	_, ended := get(t, ts.URL, idle, "")
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(t.Context()) }()
	readAll(t, ended) // while the call runs
	first := make(chan error, 1)
	go func() {
		for {
			if line, err := kept.ReadString('\n'); err != nil || strings.HasPrefix(line, "data") {
				first <- err
				return
			}
		}
	}()
	select {
	case err := <-first:
		t.Errorf("the stream of a session with a running call ended: %v", err)
	case err := <-drained:
		t.Errorf("drained with a call running: %v", err)
	default:
	}
	close(g.leave)
	if got := <-answer; !strings.Contains(got, `"done"`) {
		t.Errorf("the running call got %q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := <-first; err == nil {
		t.Error("a message on a quiet stream")
	}
}

// refusedCall makes a call that never runs long and returns its status.
func refusedCall(t *testing.T, url, session string) int {
	t.Helper()
	res := post(t, url, legacy, `{"jsonrpc":"2.0","id":"p","method":"ping"}`, inSession(session))
	readAll(t, res.Body)
	return res.StatusCode
}

func TestDrain_CancelsWhatIsLeftAndCountsIt(t *testing.T) {
	for _, version := range []string{legacy, modern} {
		t.Run(version, func(t *testing.T) {
			g := newGate()
			h, ts := serve(t, newServer(g), nil)
			session := open(t, ts.URL, nil)
			answer := waitCall(t, ts.URL, version, session, g)
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("too late"))
			err := h.Drain(ctx)
			if err == nil || !strings.Contains(err.Error(), "cut 1 calls") || !strings.Contains(err.Error(), "too late") {
				t.Errorf("error %v", err)
			}
			if err := <-g.cut; !errors.Is(err, context.Canceled) {
				t.Errorf("the handler's context: %v", err)
			}
			<-answer
			if err := ts.Config.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDrain_LetsAnElicitationEnd(t *testing.T) {
	g := newGate()
	h, ts := serve(t, newServer(g), nil)
	session := open(t, ts.URL, nil)
	res := post(t, ts.URL, legacy, call("1", "ask"), inSession(session))
	<-g.entered
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(t.Context()) }()
	for refusedCall(t, ts.URL, session) != http.StatusServiceUnavailable {
		// the drain has not begun
	}
	body := bufio.NewReader(res.Body)
	question := dataLine(t, body, "elicitation/create")
	_, rest, _ := strings.Cut(question, `"id":`)
	id, _, _ := strings.Cut(rest, ",")
	reply := post(t, ts.URL, legacy, `{"jsonrpc":"2.0","id":`+id+`,"result":{"action":"decline"}}`, inSession(session))
	if reply.StatusCode != http.StatusAccepted {
		t.Errorf("the client's answer: status %d", reply.StatusCode)
	}
	dataLine(t, body, "decline")
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// dataLine reads events until one has want in its data.
func dataLine(t *testing.T, r *bufio.Reader, want string) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("no %q: %v", want, err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && strings.Contains(data, want) {
			return data
		}
	}
}

// A watched store tells when a stream is resumed.
type watched struct {
	mcp.EventStore
	resumed chan struct{}
}

func (w watched) After(ctx context.Context, session, stream string, index int) iter.Seq2[[]byte, error] {
	if stream != "" {
		defer close(w.resumed)
	}
	return w.EventStore.After(ctx, session, stream, index)
}

func TestDrain_WaitsForACallWhoseClientResumes(t *testing.T) {
	g := newGate()
	store := watched{mcp.NewMemoryEventStore(nil), make(chan struct{})}
	h, ts := serve(t, newServer(g), &transport.Options{EventStore: store})
	session := open(t, ts.URL, nil)
	ctx, cut := context.WithCancel(t.Context())
	res := post(t, ts.URL, legacy, call("1", "wait"), func(r *http.Request) { inSession(session)(r); *r = *r.WithContext(ctx) })
	<-g.entered
	event := idLine(t, bufio.NewReader(res.Body))
	cut()
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(t.Context()) }()
	for refusedCall(t, ts.URL, session) != http.StatusServiceUnavailable {
		// the drain has not begun
	}
	answer := make(chan string, 1)
	go func() {
		for {
			res, stream := get(t, ts.URL, session, event)
			if res.StatusCode != http.StatusConflict { // until the server notices the cut
				answer <- readAll(t, stream)
				return
			}
		}
	}()
	<-store.resumed
	close(g.leave)
	if got := <-answer; !strings.Contains(got, `"done"`) {
		t.Errorf("the resumed stream got %q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func idLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			return strings.TrimSpace(id)
		}
	}
}

func TestDrain_ManyAtOnceAllWait(t *testing.T) {
	g := newGate()
	h, ts := serve(t, newServer(g), nil)
	answer := waitCall(t, ts.URL, modern, "", g)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := h.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	close(g.leave)
	all.Wait()
	if got := <-answer; !strings.Contains(got, `"done"`) {
		t.Errorf("the running call got %q", got)
	}
	if err := h.Drain(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestDrain_LeavesTheServersOtherSessions(t *testing.T) {
	s := newServer(newGate())
	h, ts := serve(t, s, nil)
	_, other := serve(t, s, nil)
	mine, foreign := open(t, ts.URL, nil), open(t, other.URL, nil)
	if err := h.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := refusedCall(t, other.URL, foreign); status != http.StatusOK {
		t.Errorf("the other handler's session: status %d", status)
	}
	for ss := range s.Sessions() {
		if ss.ID() == mine {
			t.Error("the session is open")
		}
	}
}

func TestStdioDrain_AnswersWhatRunsAndRefusesWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		tr := &transport.Stdio{}
		w, ss := stdio(t, newServer(g), tr)
		w.hello(t)
		w.send(t, call("1", "wait"))
		<-g.entered
		drained := make(chan error, 1)
		go func() { drained <- tr.Drain(t.Context()) }()
		synctest.Wait()
		w.send(t, call("2", "echo"))
		e := wantError(t, []byte(w.line(t)), 503, "2")
		if e.Error.Data["type"] != "unavailable" || e.Error.Data["retryAfterMs"] != 1000.0 {
			t.Errorf("data %v", e.Error.Data)
		}
		close(g.leave)
		if got := w.line(t); !strings.Contains(got, `"done"`) {
			t.Errorf("the running call got %q", got)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if err := ss.Wait(); err != nil {
			t.Error(err)
		}
		if _, err := tr.Connect(t.Context()); err == nil {
			t.Error("Connect after Drain")
		}
	})
}

func TestStdioDrain_EndsSubscriptionsWithTheirResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &transport.Stdio{}
		w, ss := stdio(t, newServer(newGate()), tr)
		w.send(t, listen)
		if got := w.line(t); !strings.Contains(got, "acknowledged") {
			t.Fatal(got)
		}
		drained := make(chan error, 1)
		go func() { drained <- tr.Drain(t.Context()) }()
		if got := w.line(t); !strings.Contains(got, `"id":"l"`) {
			t.Errorf("the subscription got %q", got)
		}
		if err := errors.Join(<-drained, ss.Wait()); err != nil {
			t.Error(err)
		}
	})
}

func TestStdioDrain_CancelsWhatIsLeftAndCountsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		tr := &transport.Stdio{}
		w, ss := stdio(t, newServer(g), tr)
		w.hello(t)
		w.send(t, call("1", "wait"))
		<-g.entered
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := tr.Drain(ctx); err == nil || !strings.Contains(err.Error(), "cut 1 calls") {
			t.Errorf("error %v", err)
		}
		if err := <-g.cut; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := ss.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestDrain_EndsAStandaloneStreamThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(newGate())
		h, err := transport.NewHTTPHandler(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		dial := bubbledWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			if r.Method == http.MethodGet {
				close(served)
			}
		}))
		session := openPiped(t, dial())
		conn := dial()
		_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: %s\r\n\r\n", session)
		if _, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil); err != nil {
			t.Fatal(err)
		}
		for ss := range s.Sessions() {
			if err := ss.NotifyProgress(t.Context(), &mcp.ProgressNotificationParams{ProgressToken: "p", Message: strings.Repeat("x", 10_000)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the write stalls
		start := time.Now()
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		<-served
		if took := time.Since(start); took > time.Second {
			t.Errorf("the stream ended after %v", took)
		}
	})
}

// openPiped opens a legacy session over conn.
func openPiped(t *testing.T, conn net.Conn) string {
	t.Helper()
	body := initialize()
	_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	return res.Header.Get("Mcp-Session-Id")
}
