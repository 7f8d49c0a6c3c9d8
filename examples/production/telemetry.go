package main

import (
	"context"
	"io"

	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

	"github.com/trestle-mcp/trestle/adapter/otel"
	"github.com/trestle-mcp/trestle/adapter/prometheus"
	"github.com/trestle-mcp/trestle/pool"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
)

// measure has calls counted and timed, for /metrics of the admin listener.
func (a *assembly) measure() error {
	metrics, err := prometheus.New(nil)
	if err != nil {
		return err
	}
	a.metrics = metrics
	a.opts.Observe = append(a.opts.Observe, metrics.Middleware())
	a.opts.Admin.Metrics = metrics.Handler()
	return nil
}

// expose adds the numbers of all that counts by itself.
func (a *assembly) expose(srv *server.Server, readers *pool.Pool[reader]) {
	a.metrics.Server(srv)
	a.metrics.Pool(readers)
	a.metrics.Plugins(func() (all []prometheus.Plugin) {
		for _, p := range srv.Plugins().List() {
			all = append(all, prometheus.Plugin{Name: p.Name, State: string(p.State)})
		}
		return all
	})
	if a.opts.Auth != nil {
		a.metrics.Guard(a.opts.Auth)
		a.metrics.Policy(a.opts.Policy)
	}
}

// trace writes a line of JSON a call to out. For a collector, give the provider
// the exporter of go.opentelemetry.io/otel/exporters/otlp instead. It writes in batches
// from the background, so that no call waits for it, and what is left at the
// very end.
func (a *assembly) trace(out io.Writer) error {
	if a.Traces == tracesOff {
		return nil
	}
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(out))
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.TraceIDRatioBased(a.SampleRatio)), // not by what callers ask for
		sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName("production"))),
	)
	a.hooks = append(a.hooks, shutdown.Hook{
		Name: "traces", Stage: shutdown.Flush, Timeout: closeTimeout,
		Run: func(ctx context.Context) error { return provider.Shutdown(ctx) },
	})
	telemetry, err := otel.New(&otel.Options{TracerProvider: provider})
	if err != nil {
		return err
	}
	a.opts.Observe = append(a.opts.Observe, telemetry.Middleware())
	return nil
}
