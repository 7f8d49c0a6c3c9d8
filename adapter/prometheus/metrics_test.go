package prometheus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/adapter/prometheus"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware/ratelimit"
)

func TestMiddleware_CountsEveryOutcome(t *testing.T) {
	m := newMetrics(t, nil)
	call := func(name string, res mcp.Result, err error) {
		t.Helper()
		_, _ = chain(m, answers(res, err))(t.Context(), "tools/call", toolCall(name))
	}
	ok := &mcp.CallToolResult{Content: []mcp.Content{}}
	for range 3 {
		call("add", ok, nil)
	}
	call("add", &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: "no"}}}, nil)
	call("add", nil, errors.New("plain"))
	for _, code := range mcperrors.Codes() {
		call("add", nil, mcperrors.Errorf(code, "x"))
	}
	call("add", nil, (ratelimit.Decision{Rule: "caller", Limit: 1, RetryAfter: 1}).Err())
	got := gather(t, m)
	expected := map[string]float64{
		"trestle_calls_total{code=ok,method=tools/call,name=add}":         3,
		"trestle_calls_total{code=tool_error,method=tools/call,name=add}": 1,
		"trestle_calls_in_flight":                                         0,
		"trestle_rate_limited_total{rule=caller}":                         1,
		"trestle_rate_limited_total{rule=}":                               1,
	}
	for _, code := range mcperrors.Codes() {
		n := 1.0
		if code == mcperrors.Internal || code == mcperrors.RateLimited {
			n = 2
		}
		expected[fmt.Sprintf("trestle_calls_total{code=%s,method=tools/call,name=add}", code)] = n
	}
	expected["trestle_call_duration_seconds{method=tools/call,name=add}"] = float64(3 + 1 + 1 + len(mcperrors.Codes()) + 1)
	want(t, got, expected)
}

func TestMiddleware_WhatCallersMakeUpIsNoLabel(t *testing.T) {
	m := newMetrics(t, &prometheus.Options{MaxNames: 3})
	h := chain(m, answers(nil, mcperrors.Errorf(mcperrors.NotFound, "no such tool")))
	for i := range 500 {
		_, _ = h(t.Context(), "tools/call", toolCall(fmt.Sprint("made_up_", i)))
		_, _ = h(t.Context(), fmt.Sprint("made/up", i), toolCall("x"))
	}
	known := chain(m, answers(&mcp.CallToolResult{Content: []mcp.Content{}}, nil))
	for i := range 50 {
		_, _ = known(t.Context(), "tools/call", toolCall(fmt.Sprint("tool_", i)))
	}
	got := gather(t, m)
	want(t, got, map[string]float64{
		"trestle_calls_total{code=not_found,method=tools/call,name=_other}": 500,
		"trestle_calls_total{code=not_found,method=_other,name=}":           500,
		"trestle_calls_total{code=ok,method=tools/call,name=tool_0}":        1,
		"trestle_calls_total{code=ok,method=tools/call,name=_other}":        47,
	})
	series := 0
	for name := range got {
		if strings.HasPrefix(name, "trestle_calls_total") {
			series++
		}
	}
	if series != 6 {
		t.Errorf("%d series", series)
	}
}

// What is secret is in arguments, errors, URIs and names that nobody has.
func TestMiddleware_Threat46_NoSecretIsInAMetric(t *testing.T) {
	const canary = "canary-8f1c"
	m := newMetrics(t, nil)
	fails := chain(m, answers(nil, mcperrors.Wrap(mcperrors.Validation, "bad "+canary, errors.New(canary))))
	ok := chain(m, answers(&mcp.ReadResourceResult{}, nil))
	req := toolCall(canary)
	req.Params.Arguments = []byte(`{"password":"` + canary + `"}`)
	req.Params.Meta = mcp.Meta{"traceparent": canary}
	_, _ = fails(t.Context(), "tools/call", req)
	_, _ = fails(t.Context(), canary, req)
	_, _ = ok(t.Context(), "resources/read", &mcp.ReadResourceRequest{Params: &mcp.ReadResourceParams{URI: "file:///" + canary}})
	web := httptest.NewServer(m.Handler())
	defer web.Close()
	res, err := http.Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(page), "trestle_calls_total") || !strings.Contains(string(page), "go_goroutines") {
		t.Fatalf("no metrics: %v", err)
	}
	if strings.Contains(string(page), canary) {
		t.Error("the secret is in the metrics")
	}
}

func TestMiddleware_APanicIsCountedAndGoesOn(t *testing.T) {
	m := newMetrics(t, nil)
	h := m.Middleware()(func(context.Context, string, mcp.Request) (mcp.Result, error) { panic("boom") })
	func() {
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v", v)
			}
		}()
		_, _ = h(t.Context(), "tools/list", nil)
	}()
	want(t, gather(t, m), map[string]float64{
		"trestle_calls_total{code=internal,method=tools/list,name=}": 1, "trestle_calls_in_flight": 0,
	})
}

func TestMiddleware_InFlightIsWhatRuns(t *testing.T) {
	m := newMetrics(t, nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	h := chain(m, func(context.Context, string, mcp.Request) (mcp.Result, error) {
		entered <- struct{}{}
		<-leave
		return &mcp.CallToolResult{Content: []mcp.Content{}}, nil
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _, _ = h(t.Context(), "tools/call", toolCall("slow")) })
		<-entered
	}
	want(t, gather(t, m), map[string]float64{"trestle_calls_in_flight": 4})
	close(leave)
	wg.Wait()
	want(t, gather(t, m), map[string]float64{
		"trestle_calls_in_flight": 0, "trestle_calls_total{code=ok,method=tools/call,name=slow}": 4,
	})
}

func TestNew_RefusesARegistryThatHasThem(t *testing.T) {
	m := newMetrics(t, nil)
	if _, err := prometheus.New(&prometheus.Options{Registry: m.Registry()}); err == nil {
		t.Error("registered twice")
	}
}

func TestMiddleware_CostsNoAllocation(t *testing.T) {
	m := newMetrics(t, nil)
	for name, h := range map[string]mcp.MethodHandler{
		"success": answers(&mcp.CallToolResult{Content: []mcp.Content{}}, nil),
		"failure": answers(nil, mcperrors.Errorf(mcperrors.Conflict, "taken")),
	} {
		h := m.Middleware()(h)
		req, ctx := toolCall("add"), t.Context()
		_, _ = h(ctx, "tools/call", req)
		if n := testing.AllocsPerRun(500, func() { _, _ = h(ctx, "tools/call", req) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// The bar is 500 ns and no allocation.
func BenchmarkMiddleware(b *testing.B) {
	handler := answers(&mcp.CallToolResult{Content: []mcp.Content{}}, nil)
	for name, h := range map[string]mcp.MethodHandler{
		"without": handler,
		"with":    newMetrics(b, nil).Middleware()(handler),
	} {
		b.Run(name, func(b *testing.B) {
			req, ctx := toolCall("add"), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(ctx, "tools/call", req)
			}
		})
	}
}

func TestMiddleware_DurationsAreInTheirBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(t, &prometheus.Options{Buckets: []float64{.01, .02, .05, math.Inf(1)}})
		for _, took := range []time.Duration{0, 10 * time.Millisecond, 30 * time.Millisecond, time.Second} {
			_, _ = chain(m, func(context.Context, string, mcp.Request) (mcp.Result, error) {
				<-time.After(took)
				return &mcp.ListToolsResult{}, nil
			})(t.Context(), "tools/list", &mcp.ListToolsRequest{})
		}
		families, err := m.Registry().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "trestle_call_duration_seconds" {
				continue
			}
			h := f.GetMetric()[0].GetHistogram()
			var got []uint64
			for _, b := range h.GetBucket() {
				got = append(got, b.GetCumulativeCount())
			}
			if !slices.Equal(got, []uint64{2, 2, 3}) || h.GetSampleCount() != 4 || h.GetSampleSum() != 1.04 {
				t.Errorf("buckets %v, %d in all, %v s", got, h.GetSampleCount(), h.GetSampleSum())
			}
		}
	})
}

func TestNew_RefusesBucketsInDisorder(t *testing.T) {
	for _, buckets := range [][]float64{{2, 1}, {1, 1}, {math.NaN()}, {math.Inf(1), math.Inf(1)}} {
		if _, err := prometheus.New(&prometheus.Options{Buckets: buckets}); err == nil {
			t.Errorf("%v: taken", buckets)
		}
	}
}

// An upstream's error that a handler hands on may hold anything. A label that is
// no text would cost all metrics of calls in each scrape from then on.
func TestMiddleware_RulesThatHandlersMakeUpAreBounded(t *testing.T) {
	m := newMetrics(t, nil)
	for i := range 200 {
		err := (ratelimit.Decision{Rule: fmt.Sprint("rule_", i), RetryAfter: 1}).Err()
		if i == 0 {
			err = (ratelimit.Decision{Rule: "\xff", RetryAfter: 1}).Err()
		}
		_, _ = chain(m, answers(nil, err))(t.Context(), "tools/call", toolCall("add"))
	}
	series := 0
	got := gather(t, m)
	for name := range got {
		if strings.HasPrefix(name, "trestle_rate_limited_total") {
			series++
		}
	}
	if series != 100 || got["trestle_rate_limited_total{rule=_other}"] != 101 {
		t.Errorf("%d series, %v others", series, got["trestle_rate_limited_total{rule=_other}"])
	}
}
