package otel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/trestle-mcp/trestle/adapter/otel"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

func TestSpan_SaysWhatWasCalledAndHowItEnded(t *testing.T) {
	telemetry, spans, _ := recorder(t, otel.Options{})
	call := func(method string, req mcp.Request, res mcp.Result, err error) {
		_, _ = chain(telemetry, answers(res, err))(t.Context(), method, req)
	}
	call("tools/call", toolCall("add"), ok(), nil)
	call("tools/call", toolCall("add"), nil, mcperrors.Errorf(mcperrors.Unavailable, "down"))
	call("tools/call", toolCall("add"), &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: "no"}}}, nil)
	call("tools/call", toolCall("made_up"), nil, mcperrors.Errorf(mcperrors.NotFound, "no such tool"))
	call("made/up", toolCall("x"), nil, mcperrors.Errorf(mcperrors.NotFound, "no such method"))
	call("prompts/get", &mcp.GetPromptRequest{Params: &mcp.GetPromptParams{Name: "greet"}}, &mcp.GetPromptResult{}, nil)
	call("resources/read", &mcp.ReadResourceRequest{Params: &mcp.ReadResourceParams{URI: "https://u:p@h/x?key=s#f"}}, &mcp.ReadResourceResult{}, nil)
	type span struct {
		Name   string
		Failed bool
		Attrs  map[string]string
	}
	var got []span
	for _, s := range spans.Ended() {
		if s.SpanKind() != trace.SpanKindServer || s.Status().Description != "" {
			t.Errorf("%s is %v, %q", s.Name(), s.SpanKind(), s.Status().Description)
		}
		attrs := attributes(s)
		delete(attrs, "trestle.request.id")
		got = append(got, span{s.Name(), s.Status().Code == codes.Error, attrs})
	}
	tool := func(more ...string) map[string]string {
		m := map[string]string{"mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool", "network.transport": "pipe"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	want := []span{
		{"tools/call add", false, tool("gen_ai.tool.name", "add")},
		{"tools/call add", true, tool("gen_ai.tool.name", "add", "error.type", "unavailable", "rpc.response.status_code", "503")},
		{"tools/call add", true, tool("gen_ai.tool.name", "add", "error.type", "tool_error")},
		{"tools/call", true, tool("error.type", "not_found", "rpc.response.status_code", "-32602")},
		{"_other", true, map[string]string{
			"mcp.method.name": "_other", "network.transport": "pipe", "error.type": "not_found", "rpc.response.status_code": "-32602",
		}},
		{"prompts/get greet", false, map[string]string{"mcp.method.name": "prompts/get", "gen_ai.prompt.name": "greet", "network.transport": "pipe"}},
		{"resources/read", false, map[string]string{"mcp.method.name": "resources/read", "mcp.resource.uri": "https://h/x", "network.transport": "pipe"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if attributes(spans.Ended()[0])["trestle.request.id"] == "" {
		t.Error("no request id")
	}
}

func TestSpan_ItsParentIsTheOneInMeta(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	telemetry, spans, provider := recorder(t, otel.Options{})
	var inHandler trace.SpanContext
	h := chain(telemetry, func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
		inHandler = trace.SpanContextFromContext(ctx)
		return ok(), nil
	})
	for name, c := range map[string]struct {
		meta          mcp.Meta
		trace, parent string // "" means those of the HTTP span
		state         string
		linked        bool
	}{
		"named":        {mcp.Meta{"traceparent": parent, "tracestate": "a=b"}, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "a=b", true},
		"none":         {nil, "", "", "", false},
		"not a string": {mcp.Meta{"traceparent": 7}, "", "", "", false},
		"broken":       {mcp.Meta{"traceparent": "00-xyz"}, "", "", "", false},
		"long":         {mcp.Meta{"traceparent": strings.Repeat(parent, 100)}, "", "", "", false},
		"zero":         {mcp.Meta{"traceparent": "00-00000000000000000000000000000000-0000000000000000-01"}, "", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			spans.Reset()
			ctx, web := provider.Tracer("http").Start(t.Context(), "POST /mcp")
			req := toolCall("add")
			req.Params.Meta = c.meta
			_, _ = h(ctx, "tools/call", req)
			web.End()
			span := spans.Ended()[0]
			if span.SpanContext().SpanID() != inHandler.SpanID() {
				t.Error("the handler has another span in its context")
			}
			if c.trace == "" {
				c.trace, c.parent = web.SpanContext().TraceID().String(), web.SpanContext().SpanID().String()
			}
			if got := span.Parent(); got.TraceID().String() != c.trace || got.SpanID().String() != c.parent || got.TraceState().String() != c.state {
				t.Errorf("parent %v", got)
			}
			links := span.Links()
			if c.linked != (len(links) == 1) || c.linked && links[0].SpanContext.SpanID() != web.SpanContext().SpanID() {
				t.Errorf("links %v", links)
			}
		})
	}
}

func TestSpan_OfACallWithoutParameters(t *testing.T) {
	telemetry, spans, _ := recorder(t, otel.Options{})
	h := telemetry.Middleware()(answers(ok(), nil))
	_, _ = h(t.Context(), "tools/list", &mcp.ListToolsRequest{})
	_, _ = h(t.Context(), "ping", nil)
	if n := len(spans.Ended()); n != 2 {
		t.Errorf("%d spans", n)
	}
}

func TestSpan_ArgumentsOnlyIfAskedForAndRedacted(t *testing.T) {
	for _, asked := range []bool{false, true} {
		telemetry, spans, _ := recorder(t, otel.Options{Arguments: asked})
		req := toolCall("add")
		req.Params.Arguments = []byte(`{"city":"Paris","password":"hunter2secret","long":"` + strings.Repeat("x", 10000) + `"}`)
		_, _ = chain(telemetry, answers(ok(), nil))(t.Context(), "tools/call", req)
		got, there := attributes(spans.Ended()[0])["gen_ai.tool.call.arguments"]
		if there != asked {
			t.Errorf("asked %v: %q", asked, got)
		}
		if asked && (!strings.Contains(got, "Paris") || strings.Contains(got, "hunter2secret") || len(got) > 4096) {
			t.Errorf("%d bytes: %.100s", len(got), got)
		}
	}
}

// What is secret is in arguments, errors, URIs, panics and names that nobody has.
func TestSpan_Threat46_NoSecretIsInATrace(t *testing.T) {
	const canary = "canary-8f1c"
	telemetry, spans, _ := recorder(t, otel.Options{})
	secret := mcperrors.Wrap(mcperrors.Validation, "bad "+canary, errors.New(canary))
	secret.Details = map[string]any{canary: canary}
	req := toolCall(canary)
	req.Params.Arguments = []byte(`{"password":"` + canary + `"}`)
	req.Params.Meta = mcp.Meta{"traceparent": canary, "tracestate": canary, "baggage": "k=" + canary}
	req.Extra = &mcp.RequestExtra{Header: map[string][]string{"Authorization": {"Bearer " + canary}}}
	for _, h := range []mcp.MethodHandler{
		answers(nil, secret),
		answers(nil, mcperrors.Wrap(mcperrors.NotFound, canary, errors.New(canary))),
	} {
		_, _ = chain(telemetry, h)(t.Context(), "tools/call", req)
		_, _ = chain(telemetry, h)(t.Context(), canary, req)
	}
	_, _ = chain(telemetry, answers(&mcp.ReadResourceResult{}, nil))(t.Context(), "resources/read",
		&mcp.ReadResourceRequest{Params: &mcp.ReadResourceParams{URI: "https://u:" + canary + "@h/x?token=" + canary}})
	func() {
		defer func() {
			if recover() != canary {
				t.Error("the panic did not go on")
			}
		}()
		_, _ = telemetry.Middleware()(func(context.Context, string, mcp.Request) (mcp.Result, error) { panic(canary) })(t.Context(), "tools/list", nil)
	}()
	ended := spans.Ended()
	if len(ended) != 6 || attributes(ended[5])["error.type"] != "internal" {
		t.Fatalf("%d spans", len(ended))
	}
	for _, s := range ended {
		all := fmt.Sprint(s.Name(), attributes(s), s.Events(), s.Status(), s.Links(), s.Parent(), s.SpanContext().TraceState())
		if strings.Contains(all, canary) {
			t.Errorf("the secret is in %s", all)
		}
	}
}

// stuckExporter is an exporter whose collector does not answer.
type stuckExporter struct{ asked chan struct{} }

func (e stuckExporter) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	select {
	case e.asked <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return ctx.Err()
}

func (stuckExporter) Shutdown(context.Context) error { return nil }

func TestMiddleware_AnExporterThatIsDownDelaysNoCall(t *testing.T) {
	exporter := stuckExporter{make(chan struct{}, 1)}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(64), sdktrace.WithMaxExportBatchSize(16)))
	telemetry := newTelemetry(t, otel.Options{TracerProvider: provider})
	h := chain(telemetry, answers(ok(), nil))
	for range 64 {
		_, _ = h(t.Context(), "tools/call", toolCall("add"))
	}
	<-exporter.asked // it hangs from here on
	// Far more calls than there is room for: each would wait for ever if one did.
	for range 5000 {
		if _, err := h(t.Context(), "tools/call", toolCall("add")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = provider.Shutdown(ctx)
}

// A nameSampler keeps the names with which spans begin.
type nameSampler struct{ names []string }

func (s *nameSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.names = append(s.names, p.Name)
	return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
}

func (*nameSampler) Description() string { return "names" }

func TestSpan_SamplersSeeNoNamesThatCallersMakeUp(t *testing.T) {
	sampler := &nameSampler{}
	telemetry := newTelemetry(t, otel.Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler))})
	for range 2 {
		_, _ = chain(telemetry, answers(nil, mcperrors.Errorf(mcperrors.NotFound, "no")))(t.Context(), "made/up", toolCall("x"))
		_, _ = chain(telemetry, answers(ok(), nil))(t.Context(), "tools/call", toolCall("add"))
	}
	if diff := cmp.Diff([]string{"_other", "tools/call", "_other", "tools/call add"}, sampler.names); diff != "" {
		t.Error(diff)
	}
}
