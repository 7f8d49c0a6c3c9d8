package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

func observed(level zapcore.Level) (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(level)
	return zap.New(core), logs
}

// logged runs one call under Log and Errors and returns its only record.
func logged(t *testing.T, method string, req mcp.Request, h mcp.MethodHandler) observer.LoggedEntry {
	t.Helper()
	logger, logs := observed(zap.DebugLevel)
	mw := middleware.Chain(middleware.Recover(), middleware.RequestID(),
		middleware.Log(logger, middleware.LogOptions{}), middleware.Errors())
	_, _ = mw(h)(t.Context(), method, req)
	if logs.Len() != 1 {
		t.Fatalf("%d records, want one: %v", logs.Len(), logs.All())
	}
	return logs.All()[0]
}

func TestLog_ChoosesOutcomeAndLevelByTheCode(t *testing.T) {
	want := map[mcperrors.Code]string{
		mcperrors.Validation:      "info refused",
		mcperrors.NotFound:        "info refused",
		mcperrors.Conflict:        "info refused",
		mcperrors.RateLimited:     "info refused",
		mcperrors.Unauthenticated: "warn refused",
		mcperrors.Authorization:   "warn refused",
		mcperrors.Canceled:        "info canceled",
		mcperrors.Timeout:         "warn failed",
		mcperrors.Unavailable:     "warn failed",
		mcperrors.Exhausted:       "warn failed",
		mcperrors.Internal:        "error failed",
	}
	for _, code := range mcperrors.Codes() {
		for _, method := range []string{"tools/call", "prompts/get", "ping"} {
			e := logged(t, method, callRequest("x", modern), answering(nil, mcperrors.Wrap(code, canary, errors.New("the cause"))))
			f := e.ContextMap()
			if got := fmt.Sprint(e.Level, " ", f["outcome"]); got != want[code] || f["code"] != string(code) {
				t.Errorf("%s %s: got %s %v, want %s", method, code, got, f["code"], want[code])
			}
			if (f["cause"] == "the cause") != (code != mcperrors.Validation) {
				t.Errorf("%s: cause is %v", code, f["cause"])
			}
			if strings.Contains(fmt.Sprint(f), canary) {
				t.Errorf("%s: the public message is logged: %v", code, f)
			}
		}
	}
}

func TestLog_KeepsQuietMethodsForDebugging(t *testing.T) {
	levels := map[string]zapcore.Level{
		"tools/call": zap.InfoLevel, "initialize": zap.InfoLevel, "acme/search": zap.InfoLevel,
		"ping": zap.DebugLevel, "tools/list": zap.DebugLevel, "resources/templates/list": zap.DebugLevel,
		"notifications/progress": zap.DebugLevel,
	}
	for method, want := range levels {
		e := logged(t, method, nil, answering(text("x"), nil))
		if e.Level != want || e.ContextMap()["outcome"] != "ok" {
			t.Errorf("%s: got %v %v", method, e.Level, e.ContextMap())
		}
	}
}

func TestLog_TellsAToolsOwnErrorResultFromAFailure(t *testing.T) {
	own := text("no such city " + canary)
	own.IsError = true
	e := logged(t, "tools/call", callRequest("x", modern), answering(own, nil))
	f := e.ContextMap()
	if e.Level != zap.InfoLevel || f["outcome"] != "tool_error" || f["code"] != nil || strings.Contains(fmt.Sprint(f), canary) {
		t.Errorf("got %v %v", e.Level, f)
	}
}

func TestLog_NamesTheCall(t *testing.T) {
	logger, logs := observed(zap.DebugLevel)
	opts := middleware.LogOptions{Principal: func(context.Context) string { return strings.Repeat("p", 1000) }}
	s := bare(middleware.Chain(middleware.RequestID(), middleware.Log(logger, opts), middleware.Errors()))
	tool(s, "hello", hello)
	inBothEras(t, func(t *testing.T, version string) {
		logs.TakeAll()
		cs := dial(t, s, version)
		_, err := cs.CallTool(t.Context(), &mcp.CallToolParams{
			Meta: mcp.Meta{middleware.RequestIDMetaKey: "r-1"}, Name: "hello", Arguments: map[string]any{"q": canary},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = cs.CallTool(t.Context(), &mcp.CallToolParams{Name: strings.Repeat("n", 1000)})
		all := logs.Filter(func(e observer.LoggedEntry) bool { return e.ContextMap()["method"] == "tools/call" }).All()
		f := all[0].ContextMap()
		if f["method"] != "tools/call" || f["tool"] != "hello" || f["request_id"] != "r-1" || f["protocol"] != version ||
			f["outcome"] != "ok" || len(f["principal"].(string)) > 256 {
			t.Errorf("got %v", f)
		}
		if _, ok := f["duration"].(time.Duration); !ok || strings.Contains(fmt.Sprint(f), canary) {
			t.Errorf("got %v", f)
		}
		if name := all[1].ContextMap()["tool"].(string); len(name) > 128 || !strings.HasPrefix(name, "nnn") {
			t.Errorf("the name has %d bytes", len(name))
		}
	})
}

func TestLog_LogsOfAResourceWhatIsNoSecret(t *testing.T) {
	for uri, want := range map[string]string{
		"file:///etc/hosts":                                           "file:///etc/hosts",
		"https://u:" + canary + "@host/a/b":                           "https://host/a/b",
		"https://host/a?sig=" + canary + "#x":                         "https://host/a",
		"x://host/token=" + canary + "/y":                             "x://host/token=[redacted]",
		"urn:isbn:1":                                                  "urn:isbn:1",
		"x://" + strings.Repeat("é", 1000):                            "x://" + strings.Repeat("é", 60) + "…",
		"https://u:" + strings.Repeat("p", 4000) + canary + "@host/a": "https://host/a",
	} {
		req := &mcp.ReadResourceRequest{Params: &mcp.ReadResourceParams{URI: uri}}
		if got := logged(t, "resources/read", req, answering(text("x"), nil)).ContextMap()["resource"]; got != want {
			t.Errorf("%.40q: got %q, want %q", uri, got, want)
		}
	}
}

func TestLog_LogsTooLittleOfASessionToJoinIt(t *testing.T) {
	logger, logs := observed(zap.DebugLevel)
	s := bare(middleware.Log(logger, middleware.LogOptions{}))
	tool(s, "hello", hello)
	web := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil))
	t.Cleanup(web.Close)
	c := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil)
	cs, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: web.URL}, &mcp.ClientSessionOptions{ProtocolVersion: legacy})
	if err != nil {
		t.Fatal(err)
	}
	mustAnswer(t, cs)
	id := cs.ID()
	if err := cs.Close(); err != nil {
		t.Error(err)
	}
	all := logs.All()
	if f := all[len(all)-1].ContextMap(); len(id) < 16 || f["session"] != id[:8] {
		t.Errorf("session is %v of %q", f["session"], id)
	}
}

func TestLog_RecordsAPanicOnceWithItsStack(t *testing.T) {
	below := map[string]mcp.Middleware{
		"with Errors":    middleware.Errors(),
		"without Errors": nil,
		"with a timeout": middleware.Chain(middleware.Errors(), middleware.Timeout(time.Minute)),
	}
	for name, mw := range below {
		t.Run(name, func(t *testing.T) {
			logger, logs := observed(zap.DebugLevel)
			chain := middleware.Chain(middleware.Recover(), middleware.RequestID(), middleware.Log(logger, middleware.LogOptions{}), mw)
			_, err := chain(func(context.Context, string, mcp.Request) (mcp.Result, error) {
				return theFunctionThatPanics("password="+canary, 0)
			})(t.Context(), "tools/call", callRequest("x", modern))
			wantCode(t, err, mcperrors.Internal)
			if logs.Len() != 1 {
				t.Fatalf("%d records", logs.Len())
			}
			f := logs.All()[0].ContextMap()
			if f["code"] != "internal" || f["outcome"] != "failed" || f["cause"] != "panic: password=[redacted]" {
				t.Errorf("got %v", f)
			}
			if stack, _ := f["stack"].(string); !strings.Contains(stack, "theFunctionThatPanics") {
				t.Errorf("stack is %q", stack)
			}
		})
	}
}

func TestLog_RedactsAndBoundsTheCause(t *testing.T) {
	var typedNil *json.SyntaxError
	for name, tt := range map[string]struct {
		cause error
		want  string
	}{
		"a secret":           {errors.New("connect: password=" + canary + " rejected"), "connect: password=[redacted] rejected"},
		"much":               {errors.New(strings.Repeat("x", 1<<20)), strings.Repeat("x", 4093) + "…"},
		"an Error of no use": {typedNil, "the cause's Error method panicked"},
	} {
		if got := logged(t, "acme/search", nil, answering(nil, tt.cause)).ContextMap()["cause"]; got != tt.want {
			t.Errorf("%s: got %.100v, want %.100v", name, got, tt.want)
		}
	}
}

// THREATS 48. Both encoders of zap, since a server may log by either.
func TestLog_WritesOneEscapedRecordWhateverTheCallerSends(t *testing.T) {
	const hostile = "a\n{\"level\":\"error\",\"code\":\"forged\"}\r\n\x1b[31m\u2028\xff\",\"code\":\"forged"
	cfg := zap.NewProductionEncoderConfig()
	for name, enc := range map[string]zapcore.Encoder{
		"json": zapcore.NewJSONEncoder(cfg), "console": zapcore.NewConsoleEncoder(cfg),
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			logger := zap.New(zapcore.NewCore(enc, zapcore.AddSync(&buf), zap.DebugLevel))
			opts := middleware.LogOptions{Principal: func(context.Context) string { return hostile }}
			mw := middleware.Chain(middleware.RequestID(), middleware.Log(logger, opts), middleware.Errors())
			for _, req := range []mcp.Request{
				callRequest(hostile, modern), promptRequest(hostile, modern),
				&mcp.ReadResourceRequest{Params: &mcp.ReadResourceParams{Meta: mcp.Meta{middleware.RequestIDMetaKey: hostile}, URI: hostile}},
			} {
				buf.Reset()
				_, _ = mw(answering(nil, errors.New(hostile)))(t.Context(), "tools/call", req)
				line, rest, _ := strings.Cut(buf.String(), "\n")
				if rest != "" || strings.ContainsAny(line, "\r\x1b") {
					t.Errorf("wrote %q", buf.String())
				}
				var fields map[string]any
				if err := json.Unmarshal([]byte(line[strings.IndexByte(line, '{'):]), &fields); err != nil || fields["code"] != "internal" {
					t.Errorf("wrote %q: %v", line, err)
				}
			}
		})
	}
}

func TestLoggerFrom_NamesTheCall(t *testing.T) {
	logger, logs := observed(zap.DebugLevel)
	mw := middleware.Chain(middleware.RequestID(), middleware.Log(logger, middleware.LogOptions{}))
	ctx := middleware.WithRequestID(t.Context(), "r-1")
	_, _ = mw(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
		type key struct{}
		middleware.LoggerFrom(context.WithValue(ctx, key{}, 1)).Info("from the handler")
		return text("x"), nil
	})(ctx, "tools/call", callRequest("add", modern))
	f := logs.FilterMessage("from the handler").All()[0].ContextMap()
	if f["request_id"] != "r-1" || f["method"] != "tools/call" || f["tool"] != "add" {
		t.Errorf("got %v", f)
	}
}

func TestLoggerFrom_IsNeverNil(t *testing.T) {
	middleware.LoggerFrom(t.Context()).Error("dropped")
	_, err := middleware.Log(nil, middleware.LogOptions{})(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
		middleware.LoggerFrom(ctx).Error("dropped")
		return nil, nil
	})(t.Context(), "tools/call", nil)
	if err != nil {
		t.Error(err)
	}
}

func TestLog_CostsLittleWhereItIsNotEnabled(t *testing.T) {
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.WarnLevel)
	h := middleware.Log(zap.New(core), middleware.LogOptions{})(answering(text("x"), nil))
	req, ctx := callRequest("add", modern), t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = h(ctx, "tools/call", req) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
