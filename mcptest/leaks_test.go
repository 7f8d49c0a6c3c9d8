package mcptest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestNew_TellsWhatATestLeavesBehind(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	leaky := newServer(t)
	err := server.AddTool(leaky, server.Tool{Name: "leak", Description: "Start something."},
		func(context.Context, struct{}) (string, error) {
			go forgotten(end)
			return "", nil
		})
	if err != nil {
		t.Fatal(err)
	}
	use := func(opts ...mcptest.Option) string {
		return failed(t, func(tb testing.TB) {
			mcptest.New(tb, leaky, append(opts, mcptest.Patience(time.Second))...).Call("leak", nil)
		})
	}
	for _, over := range []mcptest.Option{mcptest.OverHTTP(), mcptest.OverStdio()} {
		if got := use(over); !strings.Contains(got, "forgotten") {
			t.Errorf("a goroutine: %q", got)
		}
		if got := use(over, mcptest.LeaksAllowed()); got != "" {
			t.Errorf("an allowed goroutine: %q", got)
		}
	}

	leases := 1
	if got := failed(t, func(tb testing.TB) {
		mcptest.New(tb, newServer(t), mcptest.Patience(time.Second), mcptest.NoneLeft("pool leases", func() int { return leases }))
	}); !strings.Contains(got, "pool leases") {
		t.Errorf("a lease: %q", got)
	}
	leases = 0
	mcptest.New(t, newServer(t), mcptest.NoneLeft("pool leases", func() int { return leases }))
}

// What a tool keeps of an upstream is not the client's: connections that idle.
// One whose answer is not read is lost.
func TestNew_LeavesIdleConnectionsToTheServer(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	defer upstream.Close()
	pool := new(http.Transport)
	defer pool.CloseIdleConnections()
	unread := make(chan io.Closer, 1)
	srv := newServer(t)
	err := server.AddTool(srv, server.Tool{Name: "fetch", Description: "Ask the upstream."},
		func(ctx context.Context, in struct {
			Read bool `json:"read"`
		},
		) (string, error) {
			req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, upstream.URL, http.NoBody)
			if err != nil {
				return "", err
			}
			res, err := (&http.Client{Transport: pool}).Do(req)
			if err != nil {
				return "", err
			}
			if !in.Read {
				unread <- res.Body
				return "", nil
			}
			_, err = io.Copy(io.Discard, res.Body)
			return "", errors.Join(err, res.Body.Close())
		})
	if err != nil {
		t.Fatal(err)
	}
	if got := failed(t, func(tb testing.TB) {
		mcptest.New(tb, srv).Call("fetch", map[string]bool{"read": true}).OK()
	}); got != "" {
		t.Errorf("an idle connection: %q", got)
	}
	pool.CloseIdleConnections() // it is the first client's
	if got := failed(t, func(tb testing.TB) {
		mcptest.New(tb, srv, mcptest.Patience(time.Second)).Call("fetch", map[string]bool{"read": false}).OK()
	}); !strings.Contains(got, "readLoop") {
		t.Errorf("an answer that nobody read: %q", got)
	}
	_ = (<-unread).Close()
}

func forgotten(end <-chan struct{}) { <-end }
