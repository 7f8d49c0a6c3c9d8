package trestle_test

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/contender/trestle"
	"github.com/trestle-mcp/trestle/bench/internal/load"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

func build(args ...string) (http.Handler, error) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	made := trestle.Flags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	return made()
}

func TestFlags_RefuseWhatDoesNotExist(t *testing.T) {
	for _, args := range [][]string{{"-stack", "none"}, {"-era", "future"}, {"-tools", "-1"}} {
		if _, err := build(args...); err == nil || !strings.Contains(err.Error(), args[0]) {
			t.Errorf("%v: error %v", args, err)
		}
	}
}

func TestFlags_EraShutsOutTheOther(t *testing.T) {
	for _, era := range []string{"legacy", "modern"} {
		h, err := build("-era", era)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range workload.Eras() {
			req := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader("{}"))
			req.Header.Set("Mcp-Protocol-Version", e.Version())
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, req)
			if refused := strings.Contains(rec.Body.String(), "other era"); refused != (e.String() != era) {
				t.Errorf("-era %s, %v client: %d %s", era, e, rec.Code, rec.Body)
			}
		}
	}
}

func TestProduction_EncodesALogRecordForEachCall(t *testing.T) {
	var log lockedBuffer
	h, err := trestle.ProductionLoggingTo(&log)
	if err != nil {
		t.Fatal(err)
	}
	ts, conn, addr := served(t, h)
	client := load.Client{Conn: conn, Script: workload.NewCalls(workload.Add, workload.Modern, addr, "")}
	if _, err := load.Run(t.Context(), []load.Client{client}, load.Limits{Duration: time.Minute, Calls: 3}); err != nil {
		t.Fatal(err)
	}
	ts.Close() // waits for the handlers
	if n := strings.Count(log.String(), `"tools/call"`); n != 3 {
		t.Errorf("%d records, want 3:\n%s", n, log.String())
	}
}

// served serves h, and connects to it.
func served(t *testing.T, h http.Handler) (ts *httptest.Server, conn *load.Conn, addr string) {
	t.Helper()
	ts = httptest.NewServer(h)
	t.Cleanup(ts.Close)
	addr = ts.Listener.Addr().String()
	conn, err := load.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return ts, conn, addr
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
