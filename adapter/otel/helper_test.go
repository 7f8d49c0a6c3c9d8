package otel_test

import (
	"context"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/trestle-mcp/trestle/adapter/otel"
	"github.com/trestle-mcp/trestle/middleware"
)

// recorder keeps the spans of a telemetry.
func recorder(t *testing.T, opts otel.Options) (*otel.Telemetry, *tracetest.SpanRecorder, *sdktrace.TracerProvider) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	opts.TracerProvider = provider
	return newTelemetry(t, opts), spans, provider
}

func newTelemetry(tb testing.TB, opts otel.Options) *otel.Telemetry {
	tb.Helper()
	telemetry, err := otel.New(&opts)
	if err != nil {
		tb.Fatal(err)
	}
	return telemetry
}

// chain is the part of the stack that telemetry has around it.
func chain(telemetry *otel.Telemetry, handler mcp.MethodHandler) mcp.MethodHandler {
	return middleware.Chain(middleware.RequestID(), telemetry.Middleware(), middleware.Errors())(handler)
}

func toolCall(name string) *mcp.CallToolRequest {
	return &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: name}}
}

func answers(res mcp.Result, err error) mcp.MethodHandler {
	return func(context.Context, string, mcp.Request) (mcp.Result, error) { return res, err }
}

func ok() *mcp.CallToolResult { return &mcp.CallToolResult{Content: []mcp.Content{}} }

// attributes of a span, as text.
func attributes(span sdktrace.ReadOnlySpan) map[string]string {
	all := map[string]string{}
	for _, kv := range span.Attributes() {
		all[string(kv.Key)] = text(kv.Value)
	}
	return all
}

func text(v attribute.Value) string { return v.String() }
