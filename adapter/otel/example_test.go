package otel_test

import (
	"context"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/trestle-mcp/trestle/adapter/otel"
	"github.com/trestle-mcp/trestle/server"
)

func Example() {
	spans := tracetest.NewInMemoryExporter() // in production, an OTLP exporter
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	telemetry, err := otel.New(&otel.Options{TracerProvider: provider})
	if err != nil {
		fmt.Println(err)
		return
	}
	stack := server.Stack(&server.Options{Observe: []mcp.Middleware{telemetry.Middleware()}})

	handler := stack(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{}}, nil
	})
	ctx := context.Background()
	_, err = handler(ctx, "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "add"}})
	if err == nil {
		err = provider.ForceFlush(ctx)
	}
	fmt.Println(err, spans.GetSpans()[0].Name)
	// Output: <nil> tools/call add
}
