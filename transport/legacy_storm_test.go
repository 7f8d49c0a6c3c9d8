package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// try sends a request that may fail in any way and drops the answer.
func try(ctx context.Context, c *http.Client, url, method, session, body string) (status int, id string) {
	r, _ := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", legacy)
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Mcp-Session-Id")
}

func TestLegacyStorm_EverythingAtOnceEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	g := newGate()
	go func() { // nobody looks at what the gate tells
		for range g.entered {
		}
	}()
	s := newServer(g)
	h, err := transport.NewHTTPHandler(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(h)
	client := &http.Client{Transport: &http.Transport{}}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(worker)))
			_, session := try(t.Context(), client, ts.URL, "POST", "", initialize())
			for i := range 40 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rnd.IntN(150))*time.Millisecond)
				id := fmt.Sprint(i)
				switch rnd.IntN(9) {
				case 0, 1:
					try(ctx, client, ts.URL, "POST", session, call(id, "echo"))
				case 2:
					try(ctx, client, ts.URL, "POST", session, call(id, "wait"))
				case 3:
					try(ctx, client, ts.URL, "POST", session, call(id, "ask"))
				case 4:
					try(ctx, client, ts.URL, "POST", session, call(id, "late"))
				case 5:
					try(ctx, client, ts.URL, "GET", session, "")
				case 6:
					try(ctx, client, ts.URL, "POST", session, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, rnd.IntN(i+1)))
				case 7:
					for ss := range s.Sessions() {
						_ = ss.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: id})
					}
				case 8:
					try(ctx, client, ts.URL, "DELETE", session, "")
					_, session = try(t.Context(), client, ts.URL, "POST", "", initialize())
				}
				cancel()
			}
		})
	}
	all.Go(func() {
		<-time.After(300 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_ = h.Drain(ctx) // it may cut some
	})
	all.Wait()
	close(g.leave)
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if n := count(s); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	client.CloseIdleConnections()
	ts.Close()
	close(g.entered)
	settled(t, before)
}

func TestLegacy_TenThousandSessionsLeaveNothing(t *testing.T) {
	s := newServer(newGate())
	h := newHandler(t, s, nil)
	before := runtime.NumGoroutine()
	var empty, emptyStacks int64
	ids := make([]string, 10_000)
	for range 2 { // the first round fills what the runtime and maps keep
		for i := range ids {
			ids[i] = play(t, h, "", initialize(), nil).Header().Get("Mcp-Session-Id")
		}
		heap, stacks := memory()
		if empty > 0 {
			each, stack := (heap-empty)/int64(len(ids)), (stacks-emptyStacks)/int64(len(ids))
			t.Logf("an idle session: %d bytes of heap and %d of stack", each, stack)
			if each+stack > 6<<10 && !raceDetector() {
				t.Error("that is more than 6 KiB")
			}
		}
		if n := runtime.NumGoroutine() - before; n > len(ids)+8 {
			t.Errorf("%d goroutines for %d sessions", n, len(ids))
		}
		if w := play(t, h, "", initialize(), nil); w.Code != http.StatusServiceUnavailable {
			t.Errorf("one more: %d", w.Code)
		}
		for i, id := range ids {
			if w := play(t, h, id, "", withMethod(http.MethodDelete)); w.Code != http.StatusNoContent {
				t.Fatalf("DELETE: %d", w.Code)
			}
			ids[i] = ""
		}
		settled(t, before)
		heap, stacks = memory()
		if empty > 0 && heap-empty > 1<<20 && !raceDetector() {
			t.Errorf("%d bytes are left", heap-empty)
		}
		empty, emptyStacks = heap, stacks
	}
}

func withMethod(method string) func(*http.Request) {
	return func(r *http.Request) { r.Method = method }
}

// memory is what is in use.
func memory() (heap, stacks int64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

func TestLegacy_Threat20_AStalledReaderIsCutAndHurtsNobody(t *testing.T) {
	s := newServer(newGate())
	_, ts := serve(t, s, &transport.Options{WriteTimeout: 50 * time.Millisecond})
	session := open(t, ts.URL, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: %s\r\n\r\n", session)
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	big, sent := strings.Repeat("x", 200_000), int64(0)
	for range 300 {
		began := time.Now()
		for ss := range s.Sessions() {
			if err := ss.NotifyProgress(t.Context(), &mcp.ProgressNotificationParams{ProgressToken: "p", Message: big}); err != nil {
				t.Fatal(err)
			}
		}
		sent += int64(len(big))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a notification took %v", took)
		}
	}
	got, _ := io.Copy(io.Discard, res.Body) // ends, maybe in the middle
	if got > sent/2 {
		t.Errorf("the reader got %d of %d bytes", got, sent)
	}
}

func BenchmarkLegacy_InitializeAndInitialized(b *testing.B) {
	ours, err := transport.NewHTTPHandler(newServer(newGate()), &transport.Options{MaxSessions: -1})
	if err != nil {
		b.Fatal(err)
	}
	server := newServer(newGate())
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	for name, h := range map[string]http.Handler{"ours": ours, "sdk": sdk} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				id := once(b, h, "POST", "", initialize()).Header().Get("Mcp-Session-Id")
				once(b, h, "POST", id, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
				b.StopTimer()
				once(b, h, "DELETE", id, "")
				b.StartTimer()
			}
		})
	}
}

func once(b *testing.B, h http.Handler, method, session, body string) *httptest.ResponseRecorder {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), method, "http://localhost/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
