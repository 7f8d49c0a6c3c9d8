package load_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/load"
)

// counting sends "GET /n" and wants n.
type counting struct {
	n     int
	wrong int // the call whose answer is taken for wrong; 0: none
}

var errWrong = errors.New("wrong answer")

func (c *counting) Next() []byte {
	c.n++
	return fmt.Appendf(nil, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", c.n)
}

func (c *counting) Check(res *load.Response) error {
	if string(res.Body) != fmt.Sprintf("/%d", c.n) || c.n == c.wrong {
		return errWrong
	}
	return nil
}

func clients(t *testing.T, h http.HandlerFunc, n int, wrong int) []load.Client {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	var all []load.Client
	for range n {
		conn, err := load.Dial(t.Context(), ts.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		all = append(all, load.Client{Conn: conn, Script: &counting{wrong: wrong}})
	}
	return all
}

func echoPath(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }

func TestRun_SendsWhatTheLimitSaysAndTimesEachCall(t *testing.T) {
	var served atomic.Int64
	all := clients(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		echoPath(w, r)
	}, 3, 0)
	for range 2 { // connections live on
		res, err := load.Run(t.Context(), all, load.Limits{Duration: time.Minute, Calls: 5})
		if err != nil {
			t.Fatal(err)
		}
		if res.Calls != 15 || len(res.Latencies) != 15 || res.Elapsed < res.Latencies[14] || res.Latencies[0] <= 0 {
			t.Errorf("%d calls in %v, latencies %v", res.Calls, res.Elapsed, res.Latencies)
		}
	}
	if n := served.Load(); n != 30 {
		t.Errorf("the server saw %d calls, want 30", n)
	}
}

func TestRun_EndsWithTheFirstWrongAnswer(t *testing.T) {
	all := clients(t, echoPath, 4, 3)
	if _, err := load.Run(t.Context(), all, load.Limits{Duration: time.Minute}); !errors.Is(err, errWrong) {
		t.Errorf("error %v", err)
	}
}

func TestRun_EndsWithItsContextThoughTheServerIsSilent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	all := clients(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, 2, 0)
	if _, err := load.Run(ctx, all, load.Limits{Duration: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestDial_ReachesNothingBeyondLoopback(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "example.com:80", "0.0.0.0:80", "127.0.0.1"} {
		if _, err := load.Dial(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: error %v", addr, err)
		}
	}
}
