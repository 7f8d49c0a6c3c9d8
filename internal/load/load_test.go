package load_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/internal/load"
)

// serve returns the URL of a server with tools of every temper, and how often
// each of two was called.
func serve(t *testing.T) (url string, fine, bad *atomic.Int64) {
	t.Helper()
	fine, bad = new(atomic.Int64), new(atomic.Int64)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			ID     json.RawMessage
			Method string
			Params struct {
				Name string
				Meta map[string]any `json:"_meta"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil && r.Method == http.MethodPost {
			t.Error(err)
		}
		modern := r.Header.Get("Mcp-Protocol-Version") >= "2026-07-28"
		if known := r.Header.Get("Mcp-Session-Id") == "s1"; known == modern && req.Method != "initialize" {
			t.Errorf("%s %s: session %v, modern %v", r.Method, req.Method, known, modern)
		}
		if modern && (r.Header.Get("Mcp-Method") != req.Method || r.Header.Get("Mcp-Name") != req.Params.Name || len(req.Params.Meta) != 2) {
			t.Errorf("headers %v of %+v", r.Header, req)
		}
		answer := func(body string) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%s}`, req.ID, body)
		}
		switch {
		case req.Method == "initialize":
			w.Header().Set("Mcp-Session-Id", "s1")
			answer(`"result":{}`)
		case req.ID == nil:
			w.WriteHeader(http.StatusAccepted)
		case req.Params.Name == "fine":
			fine.Add(1)
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"content\":[]}}\n\n", req.ID)
		case req.Params.Name == "bad":
			bad.Add(1)
			answer(`"result":{"isError":true,"content":[{"type":"text","text":"no"}],"_meta":{"io.github.trestle-mcp/error":{"type":"conflict"}}}`)
		case req.Params.Name == "plain":
			answer(`"result":{"isError": true,"content":[{"type":"text","text":"no"}]}`)
		case req.Params.Name == "slow":
			<-r.Context().Done()
		case req.Params.Name == "silent":
			w.Header().Set("Content-Type", "text/event-stream")
		default:
			answer(`"error":{"code":-32602,"message":"unknown tool"}`)
		}
	}))
	t.Cleanup(web.Close)
	return web.URL, fine, bad
}

func number(n int) any { return map[string]int{"n": n} }

func TestRun_CallsTheMixAndCountsFailuresByCodeInBothEras(t *testing.T) {
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		url, fine, bad := serve(t)
		var told atomic.Int64
		report, err := load.Run(t.Context(), load.Target{URL: url, Version: version}, load.Plan{
			Clients: 4, Calls: 100, Progress: func(r *load.Report) { told.Store(r.Calls) },
			Mix: []load.Call{{Tool: "fine", Args: number, Weight: 3}, {Tool: "bad", Args: number}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if fine.Load() != 75 || bad.Load() != 25 {
			t.Errorf("%s: called %d and %d times", version, fine.Load(), bad.Load())
		}
		var counted int64
		for _, b := range report.Histogram {
			counted += b.Calls
		}
		if report.Calls != 100 || report.Failed != 25 || report.Errors["conflict"] != 25 || counted != 100 || told.Load() != 100 {
			t.Errorf("%s: %+v", version, report)
		}
		if report.P50 <= 0 || report.P50 > report.P99 || report.P99 > report.Max || report.Mean > report.Max {
			t.Errorf("%s: latencies %s", version, report)
		}
		if s := report.String(); !strings.Contains(s, "failed with conflict: 25") || !strings.Contains(s, version) {
			t.Error(s)
		}
	}
}

func TestRun_TellsFailuresApart(t *testing.T) {
	url, _, _ := serve(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tt := range map[string]struct {
		url, tool, code string
	}{
		"refusals":      {url, "nosuch", "validation"},
		"tool errors":   {url, "plain", "tool"},
		"lost answers":  {url, "silent", "connection"},
		"hangs":         {url, "slow", "timeout"},
		"other servers": {plain.URL, "fine", "http 404"},
		"no server":     {gone.URL, "fine", "connection"},
	} {
		report, err := load.Run(t.Context(), load.Target{URL: tt.url}, load.Plan{
			Clients: 1, Calls: 1, Timeout: 100 * time.Millisecond, Mix: []load.Call{{Tool: tt.tool, Args: number}},
		})
		if err != nil || report.Errors[tt.code] != 1 || report.Example == "" {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	if _, err := load.Run(t.Context(), load.Target{URL: gone.URL, Version: "2025-11-25"}, load.Plan{Calls: 1, Mix: []load.Call{{Tool: "a"}}}); err == nil {
		t.Error("connected to nothing")
	}
}

func TestRun_KeepsARate(t *testing.T) {
	url, fine, _ := serve(t)
	began := time.Now()
	report, err := load.Run(t.Context(), load.Target{URL: url}, load.Plan{
		Clients: 2, Calls: 20, Rate: 100, Mix: []load.Call{{Tool: "fine", Args: number}},
	})
	if err != nil || report.Calls != 20 || fine.Load() != 20 {
		t.Fatalf("%+v, %v", report, err)
	}
	if took := time.Since(began); took < 190*time.Millisecond { // never faster than the rate, however slow the machine
		t.Errorf("20 calls at 100 a second took %v", took)
	}
}

func TestRun_EndsWithItsTimeAndItsContext(t *testing.T) {
	url, _, _ := serve(t)
	plan := load.Plan{Clients: 2, Duration: 50 * time.Millisecond, Mix: []load.Call{{Tool: "fine", Args: number}}}
	if report, err := load.Run(t.Context(), load.Target{URL: url}, plan); err != nil || report.Calls == 0 || report.Failed != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	plan.Duration, plan.Rate = time.Hour, 0.001
	plan.Progress = func(*load.Report) { cancel() }
	if _, err := load.Run(ctx, load.Target{URL: url}, plan); err != nil {
		t.Error(err)
	}
}

func TestRun_NamesEveryMistakeOfAPlan(t *testing.T) {
	_, err := load.Run(t.Context(), load.Target{}, load.Plan{Clients: -1, Mix: []load.Call{{Weight: -1}}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"has no Tool", "Weight: -1", "negative number"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := load.Run(t.Context(), load.Target{}, load.Plan{}); err == nil {
		t.Error("an empty mix")
	}
}
