package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// descriptors counts the open ones of this process, or returns 0 where nobody
// can tell.
func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// Over real connections, as clients do it that crash: they open a session, some
// of them a stream or a call, and are gone without DELETE.
func TestLegacy_SessionsThatAreDroppedLeaveNothing(t *testing.T) {
	sessions := 10_000
	if testing.Short() || raceDetector() {
		sessions = 500
	}
	ended := make(chan transport.SessionEnd, sessions)
	h, err := transport.NewHTTPHandler(newServer(newGate()), &transport.Options{
		SessionIdle: 100 * time.Millisecond, MaxSessions: -1,
		SessionClosed: func(_ *mcp.ServerSession, why transport.SessionEnd) { ended <- why },
	})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(h)
	defer ts.Close()
	before := runtime.NumGoroutine()
	pool := &http.Transport{MaxIdleConnsPerHost: 16}
	client := &http.Client{Transport: pool}
	drop := func(n int) {
		var workers sync.WaitGroup
		todo := make(chan int)
		for range 16 {
			workers.Go(func() {
				for i := range todo {
					_, session := try(t.Context(), client, ts.URL, "POST", "", initialize())
					ctx, crash := context.WithTimeout(t.Context(), time.Duration(i%3)*time.Millisecond)
					switch i % 10 {
					case 0:
						try(ctx, client, ts.URL, "GET", session, "")
					case 1:
						try(ctx, client, ts.URL, "POST", session, call("1", "late"))
					}
					crash()
				}
			})
		}
		for i := range n {
			todo <- i
		}
		close(todo)
		workers.Wait()
		for range n {
			if why := <-ended; why != transport.SessionExpired {
				t.Errorf("a session ended as %s", why)
			}
		}
		pool.CloseIdleConnections()
		settled(t, before)
	}
	drop(sessions / 5) // what the runtime, the pools and maps keep
	files := descriptors()
	heap, _ := memory()
	drop(sessions)
	for i := 0; descriptors() > files && i < 100_000; i++ {
		runtime.Gosched()
	}
	if n := descriptors(); n > files {
		t.Errorf("%d descriptors, %d before", n, files)
	}
	if after, _ := memory(); after-heap > 1<<20 && !raceDetector() {
		t.Errorf("%d bytes of heap are left", after-heap)
	}
}
