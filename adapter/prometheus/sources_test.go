package prometheus_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/adapter/prometheus"
	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/pool"
	"github.com/trestle-mcp/trestle/server"
)

func TestMetrics_CollectWhatOthersCount(t *testing.T) {
	ctx := t.Context()
	m := newMetrics(t, nil)
	conns, err := pool.New(pool.Config[int]{Name: "db", Create: func(context.Context) (int, error) { return 1, nil }, MaxSize: 3})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := conns.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	clients, err := pool.NewKeyed(pool.KeyedConfig[string, int]{Name: "crm", Open: func(context.Context, string) (int, error) { return 1, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.Do(ctx, "ann", func(context.Context, int) error { return nil }); err != nil {
		t.Fatal(err)
	}
	policy, err := auth.NewPolicy(auth.PolicySpec{})
	if err != nil {
		t.Fatal(err)
	}
	m.Pool(conns)
	m.Keyed(clients)
	m.Policy(policy)
	m.Guard(guard{})
	m.Projections(func() []prometheus.Projection {
		return []prometheus.Projection{
			{Name: "orders", Behind: 7, Age: 3 * time.Second}, {Name: "lost", Behind: -1, Age: -1, Failed: true},
		}
	})
	m.Plugins(func() []prometheus.Plugin { return []prometheus.Plugin{{Name: "weather", State: "enabled"}} })
	m.Plugins(func() []prometheus.Plugin { panic("boom") })
	got := gather(t, m)
	want(t, got, map[string]float64{
		"trestle_pool_in_use{pool=db}":                                 1,
		"trestle_pool_size_limit{pool=db}":                             3,
		"trestle_pool_acquired_total{pool=db}":                         1,
		"trestle_keyed_values{pool=crm}":                               1,
		"trestle_keyed_opened_total{pool=crm}":                         1,
		"trestle_authorization_refused_total{reason=denied}":           0,
		"trestle_authentication_refused_total{reason=unauthenticated}": 5,
		"trestle_projection_lag_events{projection=orders}":             7,
		"trestle_projection_lag_seconds{projection=orders}":            3,
		"trestle_projection_failed{projection=lost}":                   1,
		"trestle_plugin_state{plugin=weather,state=enabled}":           1,
		"trestle_source_failures_total":                                1,
	})
	if _, ok := got["trestle_projection_lag_events{projection=lost}"]; ok {
		t.Error("what is unknown has a number")
	}
	lease.Release()
	for _, c := range []interface{ Close(context.Context) error }{conns, clients} {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

type guard struct{}

func (guard) Stats() auth.GuardStats { return auth.GuardStats{Unauthenticated: 5} }

// One call over HTTP in either era, through the whole stack.
func TestMetrics_OfAServer(t *testing.T) {
	m := newMetrics(t, nil)
	srv, err := server.New("calc", "1.0.0", &server.Options{Observe: []mcp.Middleware{m.Middleware()}, MaxInFlight: 9})
	if err != nil {
		t.Fatal(err)
	}
	m.Server(srv)
	type in struct {
		A int `json:"a"`
	}
	err = server.AddTool(srv, server.Tool{Name: "double", Description: "Double a number."},
		func(_ context.Context, in in) (int, error) { return 2 * in.A, nil })
	if err != nil {
		t.Fatal(err)
	}
	modern, legacy := mcptest.New(t, srv, mcptest.OverHTTP()), mcptest.New(t, srv, mcptest.OverHTTP(), mcptest.Legacy())
	modern.Call("double", in{1}).OK()
	legacy.Call("double", in{1}).OK()
	legacy.Call("double", map[string]any{"a": "x"})
	modern.Call("triple", in{1})
	want(t, gather(t, m), map[string]float64{
		"trestle_calls_total{code=ok,method=tools/call,name=double}":         2,
		"trestle_calls_total{code=validation,method=tools/call,name=double}": 1,
		"trestle_calls_total{code=not_found,method=tools/call,name=_other}":  1,
		"trestle_sessions":       1,
		"trestle_gate_limit":     9,
		"trestle_gate_in_flight": 0,
	})
}

func TestSources_OneThatHangsCostsOnlyItsOwnNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(t, nil)
		answer := make(chan struct{})
		var asked atomic.Int64
		m.Projections(func() []prometheus.Projection {
			asked.Add(1)
			<-answer
			return []prometheus.Projection{{Name: "stuck"}}
		})
		m.Plugins(func() []prometheus.Plugin { return []prometheus.Plugin{{Name: "weather", State: "enabled"}} })
		start := time.Now()
		for i := range 3 {
			got := gather(t, m)
			want(t, got, map[string]float64{
				"trestle_plugin_state{plugin=weather,state=enabled}": 1,
				"trestle_source_failures_total":                      float64(i + 1),
			})
		}
		if took := time.Since(start); took != 5*time.Second || asked.Load() != 1 {
			t.Errorf("three scrapes took %v and asked %d times", took, asked.Load())
		}
		close(answer)
		synctest.Wait()
		want(t, gather(t, m), map[string]float64{"trestle_projection_failed{projection=stuck}": 0, "trestle_source_failures_total": 3})
	})
}

func TestSources_AreAskedByTwoScrapesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(t, nil)
		m.Plugins(func() []prometheus.Plugin {
			<-time.After(time.Second)
			return []prometheus.Plugin{{Name: "weather", State: "enabled"}}
		})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				want(t, gather(t, m), map[string]float64{
					"trestle_plugin_state{plugin=weather,state=enabled}": 1, "trestle_source_failures_total": 0,
				})
			})
		}
		wg.Wait()
	})
}

func TestHandler_CountsWhatItCannotGather(t *testing.T) {
	m := newMetrics(t, nil)
	for range 2 { // of one name
		m.Plugins(func() []prometheus.Plugin { return []prometheus.Plugin{{Name: "weather", State: "enabled"}} })
	}
	h := m.Handler()
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "trestle_plugin_state{") {
			t.Errorf("%d %.200s", w.Code, w.Body)
		}
	}
	families, _ := m.Registry().Gather() // its error is what is counted
	for _, f := range families {
		if f.GetName() == "promhttp_metric_handler_errors_total" {
			for _, s := range f.GetMetric() {
				if s.GetLabel()[0].GetValue() == "gathering" && s.GetCounter().GetValue() == 2 {
					return
				}
			}
		}
	}
	t.Error("nothing is counted")
}
