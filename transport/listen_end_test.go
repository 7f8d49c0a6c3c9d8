package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

const aUpdates = `{"resourceSubscriptions":["test:a"]}`

// THREATS 20.
func TestListen_Threat20_AStalledReaderIsCutAndHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := listenServer()
		dial := bubbledWeb(t, handler(t, s))
		stalled := piped(t, dial(), aUpdates) // and never reads again
		healthy := make(chan string, 2000)
		body := piped(t, dial(), aUpdates)
		go func() {
			defer close(healthy)
			for {
				line, err := body.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(line, "data: ") {
					healthy <- line
				}
			}
		}()
		synctest.Wait()
		before, start := sessions(s), time.Now()
		go func() {
			for n := range 1000 {
				resourceUpdated(t, s, "test:a", n, "")
			}
		}()
		for n := range 1000 {
			if got := <-healthy; !strings.Contains(got, numbered(n)) {
				t.Fatalf("update %d is %s", n, got)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the healthy reader waited %v", took)
		}
		<-time.After(29 * time.Second) // virtual
		if got := sessions(s); got != before {
			t.Errorf("%d sessions before the deadline, %d at first", got, before)
		}
		<-time.After(2 * time.Second) // virtual
		synctest.Wait()
		if got := sessions(s); got != before-1 {
			t.Errorf("%d sessions after the deadline, %d at first", got, before)
		}
		if _, err := io.ReadAll(stalled); err == nil {
			t.Error("the stalled stream ended as if it were whole")
		}
		resourceUpdated(t, s, "test:a", 1000, "")
		if got := <-healthy; !strings.Contains(got, numbered(1000)) {
			t.Errorf("the healthy reader got %s", got)
		}
	})
}

// THREATS 20.
func TestListen_Threat20_TheQueueIsBoundedAlsoWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := listenServer()
		h, err := transport.NewHTTPHandler(s, &transport.Options{WriteTimeout: -1, KeepAlive: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = h.Drain(t.Context()) }()
		piped(t, bubbledWeb(t, h)(), aUpdates)
		synctest.Wait()
		before := sessions(s)
		text := strings.Repeat("x", 32<<10)
		for n := range 8 { // the first is being written, then 7 fit
			resourceUpdated(t, s, "test:a", n, text)
			synctest.Wait()
		}
		<-time.After(time.Hour) // virtual
		if got := sessions(s); got != before {
			t.Errorf("%d sessions within the bound, %d at first", got, before)
		}
		resourceUpdated(t, s, "test:a", 9, text)
		<-time.After(time.Second) // virtual
		synctest.Wait()
		if got := sessions(s); got != before-1 {
			t.Errorf("%d sessions beyond the bound, %d at first", got, before)
		}
	})
}

// THREATS 20.
func TestListen_Threat20_TheStreamIsKeptAliveAndEndsWithItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := listenServer()
		start := time.Now()
		web := tokens(start.Add(60 * time.Second))(handler(t, s))
		r := piped(t, bubbledWeb(t, web)(), aUpdates, "Authorization: Bearer user")
		var seen []string
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				break
			}
			if strings.HasPrefix(line, ": ") || strings.HasPrefix(line, "data: ") {
				seen = append(seen, fmt.Sprintf("%v %.25s", time.Since(start), strings.TrimSpace(line)))
			}
		}
		want := `[25s : keep-alive 50s : keep-alive 1m0s data: {"jsonrpc":"2.0","i]`
		if got := fmt.Sprint(seen); got != want || time.Since(start) != time.Minute {
			t.Errorf("%s, ended after %v; want %s", got, time.Since(start), want)
		}
	})
}

func TestListen_AStreamThatLostSomethingDoesNotEndAsIfItWereWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := listenServer()
		r := piped(t, bubbledWeb(t, handler(t, s))(), aUpdates)
		synctest.Wait()
		text := strings.Repeat("x", 200<<10)
		for n := range 3 { // one is being written, one waits, one is too much
			resourceUpdated(t, s, "test:a", n, text)
			synctest.Wait()
		}
		got, _ := io.ReadAll(r) // the client is awake again
		if !strings.Contains(string(got), numbered(0)) || strings.Contains(string(got), `"result"`) {
			t.Errorf("it got %d bytes, ending in %.200q", len(got), got[max(0, len(got)-200):])
		}
	})
}

func TestGuard_SubscriptionsAnswerTheServersKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mcp.NewServer(&mcp.Implementation{Name: "n", Version: "v"}, &mcp.ServerOptions{
			KeepAlive: time.Minute, Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{ListChanged: true}},
		})
		r := piped(t, bubbledWeb(t, handler(t, s))(), `{"toolsListChanged":true}`)
		go func() {
			<-time.After(time.Hour) // virtual
			addTool(s, "t")
		}()
		dataLine(t, r, "tools/list_changed")
	})
}

func TestListen_ADrainEndsItAtOnceWhileCallsRun(t *testing.T) {
	g := newGate()
	s := newServer(g)
	h, ts := serve(t, s, nil)
	l := acked(t, ts.URL, `{"toolsListChanged":true}`, nil)
	answer := waitCall(t, ts.URL, modern, "", g)
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(t.Context()) }()
	if got := l.next(t); !strings.Contains(got, `"id":"l","result"`) {
		t.Errorf("got %s", got)
	}
	readAll(t, l.lines) // ends
	late := openListen(t, ts.URL, `1`, `{}`, nil)
	wantError(t, []byte(readAll(t, late.lines)), 503, "1")
	if late.res.StatusCode != http.StatusServiceUnavailable || late.res.Header.Get("Retry-After") == "" {
		t.Errorf("a new one: status %d, %v", late.res.StatusCode, late.res.Header)
	}
	select {
	case err := <-drained:
		t.Errorf("drained with a call running: %v", err)
	default:
	}
	close(g.leave)
	<-answer
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := ts.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListen_ADrainDoesNotWaitForMiddlewareThatIgnoresIt(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after the acknowledgement: %t", after), func(t *testing.T) {
			s := listenServer()
			entered, leave := make(chan struct{}), make(chan struct{})
			meddle(s, func(ctx context.Context, req mcp.Request, next mcp.MethodHandler) (res mcp.Result, err error) {
				if after {
					res, err = next(ctx, "subscriptions/listen", req)
				} else {
					close(entered)
				}
				<-leave
				return res, err
			})
			h, ts := serve(t, s, nil)
			defer close(leave)
			ended := make(chan string, 1)
			if after {
				l := acked(t, ts.URL, aUpdates, nil)
				close(entered)
				go func() { ended <- readAll(t, l.lines) }()
			} else {
				go func() { ended <- readAll(t, openListen(t, ts.URL, `1`, aUpdates, nil).lines) }()
			}
			<-entered
			if err := h.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			if got := <-ended; !after && !strings.Contains(got, `"code":503`) || after && strings.TrimSpace(got) != "" {
				t.Errorf("got %q", got)
			}
			if err := ts.Config.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestListen_ADrainEndsAStalledStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := listenServer()
		h := handler(t, s)
		piped(t, bubbledWeb(t, h)(), aUpdates)
		synctest.Wait()
		before := sessions(s)
		resourceUpdated(t, s, "test:a", 1, "") // nobody reads it
		start := time.Now()
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		<-time.After(time.Second) // virtual
		synctest.Wait()
		if got := sessions(s); got != 0 || time.Since(start) > time.Second {
			t.Errorf("%d sessions, %d before, after %v", got, before, time.Since(start))
		}
	})
}

func TestListen_ASessionThatSomebodyClosesEndsTheStream(t *testing.T) {
	s := listenServer()
	_, ts := serve(t, s, nil)
	known := map[*mcp.ServerSession]bool{}
	first := openListen(t, ts.URL, `1`, `{}`, nil) // makes the sessions that stay
	readAll(t, first.lines)
	eventually(t, "the first is gone", func() bool { return sessions(s) == 1 })
	for ss := range s.Sessions() {
		known[ss] = true
	}
	l := acked(t, ts.URL, aUpdates, nil)
	for ss := range s.Sessions() {
		if !known[ss] {
			_ = ss.Close()
		}
	}
	if got := strings.TrimSpace(readAll(t, l.lines)); !strings.Contains(got, `"id":"l","result"`) {
		t.Errorf("got %q", got)
	}
}

// A sink is a response that nobody sees.
type sink struct {
	header http.Header
	acked  chan struct{}
	once   sync.Once
}

func (w *sink) Header() http.Header { return w.header }
func (w *sink) WriteHeader(int)     {}
func (w *sink) Flush()              {}
func (w *sink) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.acked) })
	return len(p), nil
}

// dropped opens a subscription without a network, and returns what drops it.
func dropped(t *testing.T, h http.Handler, ended *sync.WaitGroup, body io.Reader) (drop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr, r.Host = "127.0.0.1:1", "localhost"
	r.Header = http.Header{"Content-Type": {"application/json"}, "Mcp-Protocol-Version": {modern}, "Mcp-Method": {"subscriptions/listen"}}
	w := &sink{header: http.Header{}, acked: make(chan struct{})}
	ended.Go(func() { h.ServeHTTP(w, r) })
	<-w.acked
	return cancel
}

func TestListen_NothingIsLeftOfAThousandThatWereDropped(t *testing.T) {
	s := listenServer()
	h := handler(t, s)
	var ended sync.WaitGroup
	dropped(t, h, &ended, strings.NewReader(listenBody("1", aUpdates)))() // makes the sessions that stay
	ended.Wait()
	eventually(t, "the first is gone", func() bool { return sessions(s) == 1 })
	before := runtime.NumGoroutine()
	var drops []func()
	for range 1000 {
		drops = append(drops, dropped(t, h, &ended, strings.NewReader(listenBody("1", aUpdates))))
	}
	if got := sessions(s); got != 1001 {
		t.Errorf("%d sessions for 1000 subscriptions", got)
	}
	for _, drop := range drops {
		drop()
	}
	ended.Wait()
	eventually(t, "the sessions are gone", func() bool { return sessions(s) == 1 })
	eventually(t, "none is counted", func() bool { return h.Listens() == 0 })
	settled(t, before)
}

// xs is a text without an end.
type xs struct{}

func (xs) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestListen_Threat22_TheRequestIsNotKeptForAsLongAsTheStream(t *testing.T) {
	h := handler(t, listenServer())
	var ended sync.WaitGroup
	before, after := listenBody("1", aUpdates), ""
	before, after, _ = strings.Cut(before, `"params":{`)
	open := func() func() {
		return dropped(t, h, &ended, io.MultiReader(strings.NewReader(before+`"params":{"pad":"`), io.LimitReader(xs{}, 1<<20), strings.NewReader(`",`+after)))
	}
	open()() // makes the sessions that stay
	ended.Wait()
	heap := func() int {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC() // frees what the first one finalized
		runtime.ReadMemStats(&stats)
		return int(stats.HeapAlloc)
	}
	var drops []func()
	empty := heap()
	for range 8 {
		drops = append(drops, open())
	}
	if each := (heap() - empty) / 8; each > 128<<10 {
		t.Errorf("%d bytes for each subscription of 1 MiB", each)
	}
	for _, drop := range drops {
		drop()
	}
	ended.Wait()
}

func TestListen_ADisconnectEndsIt(t *testing.T) {
	s := listenServer()
	_, ts := serve(t, s, nil)
	l := acked(t, ts.URL, aUpdates, nil)
	before := sessions(s)
	_ = l.res.Body.Close()
	eventually(t, "the session is gone", func() bool { return sessions(s) == before-1 })
}

// Run it with -race: subscriptions that come and go, changes, and a drain.
func TestListen_Storm(t *testing.T) {
	s := listenServer()
	h, ts := serve(t, s, &transport.Options{MaxListens: 32, KeepAlive: time.Millisecond})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	changing, stop := context.WithCancel(t.Context())
	var all, changers sync.WaitGroup
	changers.Go(func() {
		for n := 0; changing.Err() == nil; n++ {
			resourceUpdated(t, s, "test:a", n, "")
			if n%100 == 0 {
				addTool(s, fmt.Sprint("t", n))
			}
			runtime.Gosched()
		}
	})
	one := func(n int) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL, strings.NewReader(listenBody(fmt.Sprint(n), `{"toolsListChanged":true,"resourceSubscriptions":["test:a"]}`)))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "Mcp-Protocol-Version": {modern}, "Mcp-Method": {"subscriptions/listen"}}
		res, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable {
			return
		}
		checkListened(t, io.LimitReader(res.Body, int64(200+500*(n%17))), n)
	}
	for worker := range 8 {
		all.Go(func() {
			for n := range 25 {
				one(worker*100 + n)
			}
		})
	}
	all.Wait()
	for n := range 8 { // for the drain
		all.Go(func() { one(n * 17) })
	}
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	all.Wait()
	stop()
	changers.Wait()
	eventually(t, "the sessions are gone", func() bool { return sessions(s) == 0 })
}

// checkListened checks that r starts with the acknowledgement, and that whole
// events follow in order.
func checkListened(t *testing.T, r io.Reader, id int) {
	t.Helper()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	last := -1
	events := strings.Split(string(raw), "\n\n")
	for i, event := range events[:len(events)-1] {
		_, data, found := strings.Cut(event, "data: ")
		if !found {
			continue // a comment
		}
		var m struct {
			Method string `json:"method"`
			Params struct {
				Meta struct {
					ID int `json:"io.modelcontextprotocol/subscriptionId"`
					N  int `json:"n"`
				} `json:"_meta"`
			} `json:"params"`
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Errorf("%v: %q", err, data)
		}
		if (i == 0) != strings.Contains(m.Method, "acknowledged") || m.Method != "" && m.Params.Meta.ID != id {
			t.Errorf("message %d of %d: %s", i, id, data)
		}
		if strings.HasSuffix(m.Method, "updated") {
			if last >= 0 && m.Params.Meta.N != last+1 {
				t.Errorf("update %d after %d", m.Params.Meta.N, last)
			}
			last = m.Params.Meta.N
		}
	}
}
