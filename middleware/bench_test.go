package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/trestle-mcp/trestle/middleware"
)

func discarding(level zapcore.Level) *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), level))
}

func stack(logger *zap.Logger, limit time.Duration) mcp.Middleware {
	return middleware.Chain(
		middleware.Recover(), middleware.RequestID(), middleware.Log(logger, middleware.LogOptions{}),
		middleware.Errors(), middleware.Concurrency(100), middleware.Timeout(limit),
	)
}

// What the default stack adds to a call. A timeout costs a goroutine and a
// timer; the same stack without one shows the rest.
func BenchmarkStack(b *testing.B) {
	ok, fails := answering(text("x"), nil), answering(nil, errors.New("dial tcp 10.0.0.1:5432: connection refused"))
	for name, h := range map[string]mcp.MethodHandler{
		"without a timeout":        stack(discarding(zap.InfoLevel), 0)(ok),
		"with a timeout":           stack(discarding(zap.InfoLevel), time.Minute)(ok),
		"log disabled, no timeout": stack(discarding(zap.WarnLevel), 0)(ok),
		"failing, no timeout":      stack(discarding(zap.InfoLevel), 0)(fails),
	} {
		b.Run(name, func(b *testing.B) {
			ctx, req := b.Context(), callRequest("add", modern)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(ctx, "tools/call", req)
			}
		})
	}
}

// BenchmarkBounds is what the bounds of answers add to a small one.
func BenchmarkBounds(b *testing.B) {
	res := &mcp.CallToolResult{StructuredContent: json.RawMessage(`{"sum":3}`), Content: []mcp.Content{&mcp.TextContent{Text: `{"sum":3}`}}}
	handler := func(context.Context, string, mcp.Request) (mcp.Result, error) { return res, nil }
	for name, h := range map[string]mcp.MethodHandler{
		"none": handler, "limit": middleware.LimitResult(1 << 20)(handler),
		"limit and strip": middleware.Chain(middleware.LimitResult(1<<20), middleware.StripHidden())(handler),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(b.Context(), "tools/call", nil)
			}
		})
	}
}
