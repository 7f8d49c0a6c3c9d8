package mcptest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/internal/load"
	"github.com/trestle-mcp/trestle/server"
)

// A Plan is what [Load] calls, how often and for how long.
type Plan = load.Plan

// A LoadCall is one kind of call in a [Plan].
type LoadCall = load.Call

// A LoadReport is what came of it.
type LoadReport = load.Report

// A Budget is what a [LoadReport] is held to. The zero value allows no failures,
// and any latency.
type Budget struct {
	P50, P99 time.Duration // zero: any
	Failed   float64       // the share of calls that may fail, from 0 to 1
	Rate     float64       // how many calls a second there must be; zero: any
}

// Load calls srv over HTTP as plan says, and fails the test if the plan is wrong or
// no client can connect. Of the options, [Version], [Legacy], [As], [Bearer] and
// [Through] count. The test and the server share the machine: compare with another
// load in the same run, rather than with a figure of another day.
func Load(tb testing.TB, srv *server.Server, plan Plan, opts ...Option) *LoadReport {
	tb.Helper()
	cfg := configure(opts)
	web, token := serveHTTP(tb, srv, cfg)
	target := load.Target{URL: web.URL, Version: cfg.version, Header: http.Header{}, Through: cfg.faults.http}
	if token != "" {
		target.Header.Set("Authorization", "Bearer "+token)
	}
	report, err := load.Run(tb.Context(), target, plan)
	if err != nil {
		tb.Fatalf("mcptest: %v", err)
	}
	return report
}

// Within fails the test for each thing in which the report is beyond the budget.
func Within(tb testing.TB, r *LoadReport, b Budget) {
	tb.Helper()
	over := func(what string, got, want time.Duration) {
		tb.Helper()
		if want > 0 && got > want {
			tb.Errorf("%s is %v, want at most %v\n%s", what, got, want, r)
		}
	}
	over("p50", r.P50, b.P50)
	over("p99", r.P99, b.P99)
	if r.Calls == 0 {
		tb.Errorf("there were no calls")
	}
	if float64(r.Failed) > b.Failed*float64(r.Calls) {
		tb.Errorf("%d of %d calls failed, want at most a share of %v\n%s", r.Failed, r.Calls, b.Failed, r)
	}
	if r.Rate < b.Rate {
		tb.Errorf("%.0f calls a second, want at least %.0f\n%s", r.Rate, b.Rate, r)
	}
}

// serveHTTP serves srv until the test ends, and returns the token to send.
func serveHTTP(tb testing.TB, srv *server.Server, cfg *config) (web *httptest.Server, token string) {
	tb.Helper()
	handler, err := srv.Handler()
	if err != nil {
		tb.Fatalf("mcptest: %v", err)
	}
	token = cfg.token
	if cfg.principal != nil {
		handler = authenticated(handler, cfg.principal)
		token = testToken
	}
	web = httptest.NewServer(handler)
	tb.Cleanup(func() {
		web.CloseClientConnections() // streams that the server keeps open
		web.Close()
	})
	return web, token
}
