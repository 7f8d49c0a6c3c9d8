package otel_test

import (
	"context"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/trestle-mcp/trestle/adapter/otel"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestNew_WantsAProvider(t *testing.T) {
	for _, opts := range []*otel.Options{nil, {}} {
		if _, err := otel.New(opts); err == nil {
			t.Errorf("%v: no error", opts)
		}
	}
}

func TestMiddleware_RecordsDurationsByOutcome(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry := newTelemetry(t, otel.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	for range 2 {
		_, _ = chain(telemetry, answers(ok(), nil))(t.Context(), "tools/call", toolCall("add"))
		_, _ = chain(telemetry, answers(nil, mcperrors.Errorf(mcperrors.Timeout, "slow")))(t.Context(), "tools/call", toolCall("add"))
		_, _ = chain(telemetry, answers(nil, &mcperrors.Error{Code: "made_up"}))(t.Context(), "tools/call", toolCall("add"))
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	m := data.ScopeMetrics[0].Metrics[0]
	if m.Name != "mcp.server.operation.duration" || m.Unit != "s" {
		t.Errorf("%s in %s", m.Name, m.Unit)
	}
	got := map[string]uint64{}
	for _, p := range m.Data.(metricdata.Histogram[float64]).DataPoints {
		kind, _ := p.Attributes.Value("error.type")
		tool, _ := p.Attributes.Value("gen_ai.tool.name")
		got[tool.AsString()+" "+kind.AsString()] += p.Count
	}
	for name, n := range map[string]uint64{"add ": 2, "add timeout": 2, "add internal": 2} {
		if got[name] != n {
			t.Errorf("%q: %d, want %d of %v", name, got[name], n, got)
		}
	}
}

// One call over HTTP in either era, through the whole stack.
func TestMiddleware_OfAServer(t *testing.T) {
	telemetry, spans, _ := recorder(t, otel.Options{})
	srv, err := server.New("calc", "1.0.0", &server.Options{Observe: []mcp.Middleware{telemetry.Middleware()}})
	if err != nil {
		t.Fatal(err)
	}
	err = server.AddTool(srv, server.Tool{Name: "hello", Description: "Greet."},
		func(context.Context, struct{}) (string, error) { return "hi", nil })
	if err != nil {
		t.Fatal(err)
	}
	for version, c := range map[string]*mcptest.Client{
		"2026-07-28": mcptest.New(t, srv, mcptest.OverHTTP()),
		"2025-11-25": mcptest.New(t, srv, mcptest.OverHTTP(), mcptest.Legacy()),
	} {
		spans.Reset()
		c.Call("hello", struct{}{}).OK()
		found := false
		for _, s := range spans.Ended() {
			attrs := attributes(s)
			if s.Name() != "tools/call hello" {
				continue
			}
			found = true
			if attrs["mcp.protocol.version"] != version || attrs["network.transport"] != "tcp" {
				t.Errorf("%s: %v", version, attrs)
			}
			if id := attrs["mcp.session.id"]; len(id) > 8 || (id == "") != (version == "2026-07-28") {
				t.Errorf("%s: session %q", version, id)
			}
		}
		if !found {
			t.Errorf("%s: no span", version)
		}
	}
}

func TestMiddleware_DurationsCostNoAllocation(t *testing.T) {
	telemetry := newTelemetry(t, otel.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))})
	for name, h := range map[string]mcp.MethodHandler{
		"success": answers(ok(), nil), "failure": answers(nil, mcperrors.Errorf(mcperrors.Conflict, "taken")),
	} {
		h := telemetry.Middleware()(h)
		ctx, req := t.Context(), toolCall("add")
		_, _ = h(ctx, "tools/call", req)
		if n := testing.AllocsPerRun(500, func() { _, _ = h(ctx, "tools/call", req) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// The bar is 500 ns for durations, and 4 µs for a sampled span.
func BenchmarkMiddleware(b *testing.B) {
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	sampled := sdktrace.NewTracerProvider(sdktrace.WithBatcher(stuckExporter{make(chan struct{}, 1)}))
	dropped := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	for _, c := range []struct {
		name string
		opts otel.Options
		meta mcp.Meta
	}{
		{"durations", otel.Options{MeterProvider: meter}, nil},
		{"sampled", otel.Options{TracerProvider: sampled}, nil},
		{"sampled/remote", otel.Options{TracerProvider: sampled}, mcp.Meta{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
		{"not sampled", otel.Options{TracerProvider: dropped}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newTelemetry(b, c.opts).Middleware()(answers(ok(), nil))
			ctx, req := b.Context(), toolCall("add")
			req.Params.Meta = c.meta
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(ctx, "tools/call", req)
			}
		})
	}
}
