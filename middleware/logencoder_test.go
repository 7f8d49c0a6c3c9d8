package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

// zapsEncoder is what NewLogEncoder is to be like.
func zapsEncoder() zapcore.Encoder {
	config := zap.NewProductionEncoderConfig()
	config.TimeKey, config.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	config.EncodeDuration = zapcore.StringDurationEncoder
	return zapcore.NewJSONEncoder(config)
}

func TestLogEncoder_WritesWhatZapsDoes(t *testing.T) {
	loggers := map[string]func(*zap.Logger) *zap.Logger{
		"plain":      func(l *zap.Logger) *zap.Logger { return l },
		"fields":     func(l *zap.Logger) *zap.Logger { return l.With(zap.String("mark", ""), zap.Int("n", 1)) },
		"odd fields": func(l *zap.Logger) *zap.Logger { return l.With(zap.String("a", "ü\"")).With(zap.Any("b", []int{1})) },
		"namespace":  func(l *zap.Logger) *zap.Logger { return l.With(zap.Namespace("x"), zap.Namespace("y")) },
		"name":       func(l *zap.Logger) *zap.Logger { return l.Named("svc") },
		"caller":     func(l *zap.Logger) *zap.Logger { return l.WithOptions(zap.AddCaller()) },
		"stack":      func(l *zap.Logger) *zap.Logger { return l.WithOptions(zap.AddStacktrace(zap.WarnLevel)) },
		"clock":      func(l *zap.Logger) *zap.Logger { return l.WithOptions(zap.WithClock(noClock{})) },
	}
	handlers := map[string]func(*zap.Logger) (mcp.Result, error){
		"ok": func(*zap.Logger) (mcp.Result, error) { return &mcp.CallToolResult{}, nil },
		"coded": func(*zap.Logger) (mcp.Result, error) {
			return nil, mcperrors.Wrap(mcperrors.Timeout, "", errors.New("late"))
		},
		"quotes": func(*zap.Logger) (mcp.Result, error) { return nil, errors.New("a \"b\"\n\\ü") },
		"own": func(l *zap.Logger) (mcp.Result, error) {
			l.Info("own", zap.Duration("d", 3))
			return &mcp.CallToolResult{}, nil
		},
	}
	targets := []string{"add", `a"b`, "\x00\x1f\\", "näme", "\xff", "\x7f", strings.Repeat("é", 200)}
	for name, with := range loggers {
		for end, handle := range handlers {
			for _, target := range targets {
				line := func(enc zapcore.Encoder) (text string) {
					synctest.Test(t, func(t *testing.T) { // the same times for both
						var out bytes.Buffer
						h := middleware.Log(with(zap.New(zapcore.NewCore(enc, zapcore.AddSync(&out), zap.DebugLevel))), middleware.LogOptions{
							Principal: func(context.Context) string { return "who" },
						})(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
							<-time.After(1500 * time.Microsecond)
							return handle(middleware.LoggerFrom(ctx))
						})
						_, _ = h(middleware.WithRequestID(t.Context(), "id-1"), "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: target}})
						text = out.String()
					})
					return text
				}
				var lines []string // from one place, which stacks name
				for _, enc := range []zapcore.Encoder{zapsEncoder(), middleware.NewLogEncoder()} {
					lines = append(lines, line(enc))
				}
				if lines[0] != lines[1] || lines[0] == "" {
					t.Errorf("%s, %s, %q:\n%swant\n%s", name, end, target, lines[1], lines[0])
				}
			}
		}
	}
}

type noClock struct{}

func (noClock) Now() time.Time                         { return time.Time{} }
func (noClock) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

func ExampleNewLogEncoder() {
	var out bytes.Buffer
	logger := zap.New(zapcore.NewCore(middleware.NewLogEncoder(), zapcore.AddSync(&out), zap.InfoLevel)).With(zap.String("service", "calc"))
	handle := middleware.Log(logger, middleware.LogOptions{})(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return &mcp.CallToolResult{}, nil
	})
	_, _ = handle(context.Background(), "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "add"}})
	_, line, _ := strings.Cut(out.String(), `,"msg"`)
	line, _, _ = strings.Cut(line, `,"duration"`)
	fmt.Println(line)
	// Output: :"mcp call","service":"calc","method":"tools/call","tool":"add"
}
