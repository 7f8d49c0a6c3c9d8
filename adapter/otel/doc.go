// Package otel traces and times an MCP server with OpenTelemetry, after its
// semantic conventions for MCP, which are in development: their names are in one
// file, names.go.
//
//	telemetry, err := otel.New(&otel.Options{TracerProvider: provider})
//	srv, err := server.New("calc", "1.0.0", &server.Options{
//		Observe: []mcp.Middleware{telemetry.Middleware()},
//	})
//
// Each call is a span of kind server. Its parent is the one that the client names in
// the call's _meta, traceparent and tracestate; the span of the HTTP request, if there
// is one, is then linked. Otherwise the latter is the parent. The handler finds
// the span in its context. Baggage is not taken from callers.
//
// A span says what was called, how it ended and for how long, and nothing of
// arguments, unless Options.Arguments asks for them, results, messages of
// errors, causes or tokens. A tool or prompt is named once a call has shown that there
// is one; what callers make up is in no span.
//
// Give the provider a batch processor, as sdktrace.WithBatcher does: it drops spans while
// its exporter is down. With a synchronous exporter each call would wait for it.
// Who may call decides by the flags of traceparent which spans a parent-based sampler takes;
// a server for strangers should have a sampler of its own. One by ratio goes by the trace's
// ID, which is the caller's, too.
//
// For pools, sessions and all else that adapter/prometheus counts, its registry
// can be read by go.opentelemetry.io/contrib/bridges/prometheus.
package otel
