package otel

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/internal/redact"
	"github.com/trestle-mcp/trestle/internal/series"
	"github.com/trestle-mcp/trestle/middleware"
)

// Bounds of what is recorded of one call, in bytes.
const (
	maxURI       = 128
	maxArguments = 4 << 10
	maxState     = 512 // what a tracestate may have, by its specification
)

// A call is one span, and one duration.
type call struct {
	t      *Telemetry
	method string
	req    mcp.Request
	key    series.Key
	series *callSeries // nil until it is known
	start  time.Time   // zero if nobody gets durations
	span   trace.Span  // nil without a tracer
}

// asServer has no room to append to: it is shared.
var asServer = slices.Clip([]trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)})

// rooms are for the attributes of a span, which copies them.
var rooms = sync.Pool{New: func() any { return new([10]attribute.KeyValue) }}

// begin starts the span and returns the context that has it.
func (c *call) begin(ctx context.Context) context.Context {
	if c.t.tracer == nil {
		return ctx
	}
	parent, link := parentOf(ctx, c.req)
	opts := asServer
	if link.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: link}))
	}
	name := c.method
	switch {
	case c.series != nil:
		name = c.series.span
	case !series.IsProtocol(c.method):
		name = series.Other
	}
	ctx, c.span = c.t.tracer.Start(parent, name, opts...)
	return ctx
}

// end completes what begin has begun.
func (c *call) end(ctx context.Context, failed bool, e *mcperrors.Error) {
	code := series.CodeOf(e)
	renamed := c.series == nil
	if renamed {
		c.series = c.t.series.Of(c.key, failed, code)
	}
	if c.t.duration != nil {
		c.t.duration.Record(ctx, time.Since(c.start).Seconds(), c.series.options(failed, code)...)
	}
	if c.span == nil {
		return
	}
	if c.span.IsRecording() {
		if renamed {
			c.span.SetName(c.series.span)
		}
		c.describe(ctx)
		if failed {
			c.blame(code)
		}
	}
	// Not deferred by itself: then it would record the text of a panic.
	c.span.End()
}

// describe says what was called.
func (c *call) describe(ctx context.Context) {
	room := rooms.Get().(*[10]attribute.KeyValue) //nolint:errcheck // holds nothing else
	defer func() {
		clear(room[:])
		rooms.Put(room)
	}()
	attrs := room[:0]
	attrs = append(attrs, c.series.attrs...)
	add := func(key attribute.Key, value string) {
		if value != "" {
			attrs = append(attrs, key.String(value))
		}
	}
	add(keyVersion, era.Version(c.req))
	add(keyRequestID, middleware.RequestIDFrom(ctx))
	if c.req != nil {
		add(keyTransport, transportOf(c.req))
		if ss, ok := c.req.GetSession().(*mcp.ServerSession); ok && ss != nil {
			id := ss.ID()
			add(keySession, id[:min(8, len(id)/2)])
		}
		switch p := c.req.GetParams().(type) {
		case *mcp.ReadResourceParams:
			if p != nil {
				add(keyResource, redact.URI(p.URI, maxURI))
			}
		case *mcp.CallToolParamsRaw:
			if p != nil && c.t.arguments && len(p.Arguments) > 0 {
				add(keyArguments, redact.Clip(redact.String(string(p.Arguments)), maxArguments))
			}
		}
	}
	c.span.SetAttributes(attrs...)
}

// blame says how the call failed: no message, as that may repeat what was sent.
func (c *call) blame(code mcperrors.Code) {
	c.span.SetStatus(codes.Error, "")
	if code == "" {
		c.span.SetAttributes(keyError.String(errorOfTool))
		return
	}
	status := code.JSONRPC(c.method, era.Version(c.req))
	c.span.SetAttributes(keyError.String(string(code)), keyStatusCode.String(strconv.FormatInt(status, 10)))
}

func transportOf(req mcp.Request) string {
	if extra := req.GetExtra(); extra != nil && extra.Header != nil {
		return transportTCP
	}
	return transportIPC
}

// parentOf returns the context to start the span in, and the span to link: that
// of the HTTP request, if the client names another as parent.
func parentOf(ctx context.Context, req mcp.Request) (context.Context, trace.SpanContext) {
	if req == nil {
		return ctx, trace.SpanContext{}
	}
	params := req.GetParams()
	if params == nil || isNil(params) {
		return ctx, trace.SpanContext{}
	}
	meta := carrier(params.GetMeta())
	if meta.Get(metaParent) == "" {
		return ctx, trace.SpanContext{}
	}
	named := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), meta))
	if !named.IsValid() {
		return ctx, trace.SpanContext{}
	}
	return trace.ContextWithRemoteSpanContext(ctx, named), trace.SpanContextFromContext(ctx)
}

// A carrier reads _meta.
type carrier map[string]any

// Get implements [propagation.TextMapCarrier].
func (c carrier) Get(key string) string {
	s, _ := c[key].(string)
	if len(s) > maxState {
		return ""
	}
	return s
}

// Set implements [propagation.TextMapCarrier]; nothing is written.
func (carrier) Set(string, string) {}

// Keys implements [propagation.TextMapCarrier].
func (carrier) Keys() []string { return []string{metaParent, metaState} }
