package mcptest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/server"
)

// A Double is an MCP server that answers as it is told and remembers what it was
// asked: it stands for another server in tests of code that calls one.
//
//	weather := mcptest.NewDouble(t)
//	weather.Tool("forecast").Answers(Forecast{Celsius: 21}).Fails(mcperrors.Unavailable, "down")
//	app := newApp(weather.URL())
//	...
//	weather.Tool("forecast").Called(ForecastIn{City: "Oslo"}, ForecastIn{City: "Rome"})
//
// It is safe for concurrent use.
type Double struct {
	tb  testing.TB
	srv *server.Server
	mu  sync.Mutex
	all map[string]*DoubleTool
	url string
}

// NewDouble returns a double without tools. It ends with the test.
func NewDouble(tb testing.TB) *Double {
	tb.Helper()
	srv, err := server.New("double", "1.0.0", &server.Options{Logger: zap.NewNop()})
	if err != nil {
		tb.Fatalf("mcptest: %v", err)
	}
	return &Double{tb: tb, srv: srv, all: map[string]*DoubleTool{}}
}

// Server is the double's server, for resources and prompts, or for [New].
func (d *Double) Server() *server.Server { return d.srv }

// URL is where the double serves HTTP, in both eras.
func (d *Double) URL() string {
	d.tb.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.url == "" {
		web, _ := serveHTTP(d.tb, d.srv, new(config))
		d.url = web.URL
	}
	return d.url
}

// A DoubleTool is a tool of a [Double]. It takes any arguments. Without a script
// it answers with an empty object.
type DoubleTool struct {
	tb   testing.TB
	name string

	mu     sync.Mutex
	script []reply
	calls  []json.RawMessage
}

type reply func(ctx context.Context, args json.RawMessage) (any, error)

// Tool returns the tool name, which is there from the first time on that it is
// asked for.
func (d *Double) Tool(name string) *DoubleTool {
	d.tb.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, known := d.all[name]; known {
		return t
	}
	t := &DoubleTool{tb: d.tb, name: name}
	d.all[name] = t
	err := d.srv.AddRawTool(&mcp.Tool{
		Name: name, Description: "Stands for " + name + ".", InputSchema: map[string]any{"type": "object"},
	}, t.serve)
	if err != nil {
		d.tb.Fatalf("mcptest: %v", err)
	}
	return t
}

// Answers adds an answer to the script. Each call takes the next one; the last is
// given again and again. v is structured content, or what go-sdk has for a whole
// result.
func (t *DoubleTool) Answers(v any) *DoubleTool {
	return t.Does(func(context.Context, json.RawMessage) (any, error) { return v, nil })
}

// Fails adds a failure to the script.
func (t *DoubleTool) Fails(code mcperrors.Code, message string) *DoubleTool {
	return t.Does(func(context.Context, json.RawMessage) (any, error) {
		return nil, mcperrors.Errorf(code, "%s", message)
	})
}

// Hangs adds to the script that the call is not answered before its context ends.
func (t *DoubleTool) Hangs() *DoubleTool {
	return t.Does(func(ctx context.Context, _ json.RawMessage) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
}

// Does adds a function to the script, which gets the arguments as they came.
func (t *DoubleTool) Does(f func(ctx context.Context, args json.RawMessage) (any, error)) *DoubleTool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.script = append(t.script, f)
	return t
}

// Calls returns the arguments of the calls so far, in order.
func (t *DoubleTool) Calls() []json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]json.RawMessage(nil), t.calls...)
}

// Called fails the test unless the calls so far had these arguments, compared as
// JSON, in this order; without arguments, unless there was no call.
func (t *DoubleTool) Called(want ...any) *DoubleTool {
	t.tb.Helper()
	w, err := normal(append([]any{}, want...))
	if err != nil {
		t.tb.Fatalf("mcptest: the double's %s: want what is no JSON: %v", t.name, err)
	}
	g, err := normal(append([]json.RawMessage{}, t.Calls()...))
	if err != nil {
		t.tb.Fatalf("mcptest: the double's %s was called with what is no JSON: %v", t.name, err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.tb.Errorf("mcptest: the double's %s was called otherwise (-want +got):\n%s", t.name, diff)
	}
	return t
}

// next notes a call, and returns what the script has for it.
func (t *DoubleTool) next(args json.RawMessage) reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, append(json.RawMessage(nil), args...))
	if len(t.script) == 0 {
		return func(context.Context, json.RawMessage) (any, error) { return struct{}{}, nil }
	}
	first := t.script[0]
	if len(t.script) > 1 {
		t.script = t.script[1:]
	}
	return first
}

func (t *DoubleTool) serve(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	v, err := t.next(req.Params.Arguments)(ctx, req.Params.Arguments)
	if err != nil {
		return nil, err
	}
	if whole, ok := v.(*mcp.CallToolResult); ok {
		return whole, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &mcp.CallToolResult{
		Content:           []mcp.Content{&mcp.TextContent{Text: string(raw)}},
		StructuredContent: json.RawMessage(raw),
	}, nil
}
