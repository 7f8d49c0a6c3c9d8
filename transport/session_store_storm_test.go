package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

func TestSessionStoreStorm_TwoReplicasEndWithNothingLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	g := newGate()
	go func() { // nobody looks at what the gate tells
		for range g.entered {
		}
	}()
	store, events := transport.NewMemorySessionStore(0), mcp.NewMemoryEventStore(nil)
	var servers [2]*mcp.Server
	var handlers [2]*transport.HTTPHandler
	var urls [2]string
	var ends []func()
	for i := range servers {
		servers[i] = newServer(g)
		h, err := transport.NewHTTPHandler(servers[i], &transport.Options{SessionStore: store, EventStore: events, SessionIdle: 30 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ts := httptest.NewServer(h)
		handlers[i], urls[i], ends = h, ts.URL, append(ends, ts.Close)
	}
	client := &http.Client{Transport: &http.Transport{}}
	var sessions [4]string
	for i := range sessions {
		_, sessions[i] = try(t.Context(), client, urls[i%2], "POST", "", initialize())
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(2, uint64(worker)))
			session := sessions[worker%len(sessions)] // two workers have each
			for i := range 40 {
				at := rnd.IntN(2)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rnd.IntN(60))*time.Millisecond)
				id := fmt.Sprintf(`"%d.%d"`, worker, i)
				switch rnd.IntN(9) {
				case 0, 1:
					try(ctx, client, urls[at], "POST", session, call(id, "echo"))
				case 2:
					try(ctx, client, urls[at], "POST", session, call(id, "wait"))
				case 3:
					try(ctx, client, urls[at], "POST", session, call(id, "ask"))
				case 4:
					try(ctx, client, urls[at], "POST", session, setLevel("info"))
				case 5:
					try(ctx, client, urls[at], "GET", session, "")
				case 6:
					try(ctx, client, urls[at], "POST", session, initializedNote)
				case 7:
					for ss := range servers[at].Sessions() {
						_ = ss.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: id})
						if i%16 == 0 {
							_ = ss.Close()
						}
					}
				case 8:
					try(ctx, client, urls[at], "DELETE", session, "")
					_, session = try(t.Context(), client, urls[1], "POST", "", initialize())
				}
				cancel()
			}
			for _, url := range urls {
				try(t.Context(), client, url, "DELETE", session, "")
			}
		})
	}
	all.Go(func() { // one leaves in the middle
		<-time.After(150 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_ = handlers[0].Drain(ctx) // it may cut some
	})
	all.Wait()
	close(g.leave)
	for i, h := range handlers {
		if err := h.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if n := count(servers[i]); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	}
	client.CloseIdleConnections()
	for _, end := range ends {
		end()
	}
	close(g.entered)
	settled(t, before)
	for deadline := time.Now().Add(5 * time.Second); store.Len() > 0 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if n := store.Len(); n != 0 {
		t.Errorf("%d records have not expired", n)
	}
}
