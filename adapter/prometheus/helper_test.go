package prometheus_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	dto "github.com/prometheus/client_model/go"

	"github.com/trestle-mcp/trestle/adapter/prometheus"
	"github.com/trestle-mcp/trestle/middleware"
)

func newMetrics(tb testing.TB, opts *prometheus.Options) *prometheus.Metrics {
	tb.Helper()
	m, err := prometheus.New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// chain is the part of the stack that the metrics have around them.
func chain(m *prometheus.Metrics, handler mcp.MethodHandler) mcp.MethodHandler {
	return middleware.Chain(middleware.RequestID(), m.Middleware(), middleware.Errors())(handler)
}

func toolCall(name string) *mcp.CallToolRequest {
	return &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: name}}
}

func answers(res mcp.Result, err error) mcp.MethodHandler {
	return func(context.Context, string, mcp.Request) (mcp.Result, error) { return res, err }
}

// gather returns all samples, by name and labels as Prometheus writes them.
func gather(t *testing.T, m *prometheus.Metrics) map[string]float64 {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range sample.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			var s strings.Builder
			s.WriteString(f.GetName())
			for i, name := range slices.Sorted(maps.Keys(labels)) {
				s.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + name + "=" + labels[name])
			}
			if len(labels) > 0 {
				s.WriteString("}")
			}
			all[s.String()] = number(f.GetType(), sample)
		}
	}
	return all
}

func number(kind dto.MetricType, m *dto.Metric) float64 {
	switch kind {
	case dto.MetricType_COUNTER:
		return m.GetCounter().GetValue()
	case dto.MetricType_GAUGE:
		return m.GetGauge().GetValue()
	case dto.MetricType_HISTOGRAM:
		return float64(m.GetHistogram().GetSampleCount())
	default:
		return 0
	}
}

func want(t *testing.T, got map[string]float64, expected map[string]float64) {
	t.Helper()
	for name, n := range expected {
		if v, ok := got[name]; !ok || v != n {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, n)
		}
	}
}
