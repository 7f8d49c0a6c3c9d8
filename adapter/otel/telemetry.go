package otel

import (
	"context"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/series"
	"github.com/trestle-mcp/trestle/middleware"
)

const scope = "github.com/trestle-mcp/trestle/adapter/otel"

// Options configure [New]. At least one provider is required.
type Options struct {
	// TracerProvider makes the spans. Nil means that there are none.
	TracerProvider trace.TracerProvider
	// MeterProvider gets the durations, as mcp.server.operation.duration. Nil
	// means that nobody does.
	MeterProvider metric.MeterProvider
	// Arguments adds the arguments of tools to their spans, redacted, at most 4 KiB.
	// They may have personal data in them, which no redaction knows.
	Arguments bool
	// MaxNames is how many tools, prompts and methods of the server's own are
	// named. Zero means 200; negative means none.
	MaxNames int
}

// Telemetry traces and times calls. It is safe for concurrent use.
type Telemetry struct {
	tracer    trace.Tracer            // nil: no spans
	duration  metric.Float64Histogram // nil: no durations
	arguments bool
	series    *series.Table[*callSeries]
}

// New returns telemetry, or what is wrong with opts.
func New(opts *Options) (*Telemetry, error) {
	if opts == nil || opts.TracerProvider == nil && opts.MeterProvider == nil {
		return nil, errors.New("otel: Options has no provider")
	}
	names := opts.MaxNames
	if names == 0 {
		names = 200
	}
	t := &Telemetry{arguments: opts.Arguments, series: series.NewTable(names, newSeries)}
	if opts.TracerProvider != nil {
		t.tracer = opts.TracerProvider.Tracer(scope, trace.WithSchemaURL(schemaURL))
	}
	if opts.MeterProvider != nil {
		meter := opts.MeterProvider.Meter(scope, metric.WithSchemaURL(schemaURL))
		var err error
		t.duration, err = meter.Float64Histogram(metricDuration,
			metric.WithUnit("s"), metric.WithDescription("How long calls and notifications took."),
			metric.WithExplicitBucketBoundaries(durationBuckets...))
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Middleware returns the layer that traces and times calls. Its place is
// outside of Errors and inside of Log: with package server, in
// Options.Observe. A panic that comes through ends the span as internal, and goes on.
func (t *Telemetry) Middleware() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			c := call{t: t, method: method, req: req, key: series.KeyOf(method, req)}
			if t.duration != nil {
				c.start = time.Now()
			}
			c.series, _ = t.series.Known(c.key)
			ctx = c.begin(ctx)
			returned := false
			defer func() {
				if !returned {
					c.end(ctx, true, panicked)
				}
			}()
			res, err := next(ctx, method, req)
			failed, e := middleware.Ended(ctx, req, res, err)
			returned = true
			c.end(ctx, failed, e)
			return res, err
		}
	}
}

var panicked = &mcperrors.Error{Code: mcperrors.Internal}
