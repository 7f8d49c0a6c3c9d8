package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

type addIn struct {
	A int64 `json:"a" jsonschema:"first addend" validate:"gte=0"`
	B int64 `json:"b" jsonschema:"second addend"`
}

type addOut struct {
	Sum int64 `json:"sum"`
}

func add(_ context.Context, in addIn) (addOut, error) { return addOut{in.A + in.B}, nil }

func TestTool_IsTypedFromEndToEnd(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, server.Tool{Name: "add", Title: "Add", Description: "Add two integers.", ReadOnly: true}, add))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		var out addOut
		call := c.Call("add", addIn{1, 2}).OK().Decode(&out)
		if out.Sum != 3 || call.Text() != `{"sum":3}` {
			t.Errorf("structured %+v, text %s", out, call.Text())
		}
	})
}

func TestTool_IsListedWithItsSchemaAndHints(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, server.Tool{Name: "add", Title: "Add", Description: "Add two integers.", ReadOnly: true}, add))
	list, err := mcptest.New(t, srv).ListTools(t.Context(), nil)
	if err != nil || len(list.Tools) != 1 {
		t.Fatal(list, err)
	}
	raw, err := json.Marshal(list.Tools[0])
	mustAdd(t, err)
	var got, want any
	mustAdd(t, json.Unmarshal(raw, &got))
	mustAdd(t, json.Unmarshal([]byte(`{
		"name": "add", "title": "Add", "description": "Add two integers.",
		"annotations": {"title": "Add", "readOnlyHint": true, "idempotentHint": false, "destructiveHint": false, "openWorldHint": true},
		"inputSchema": {"type": "object", "additionalProperties": false, "required": ["a", "b"], "properties": {
			"a": {"type": "integer", "description": "first addend", "minimum": 0},
			"b": {"type": "integer", "description": "second addend"}}},
		"outputSchema": {"type": "object", "additionalProperties": false, "required": ["sum"], "properties": {"sum": {"type": "integer"}}}
	}`), &want))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTool_BadArgumentsNameEveryFieldAndNeverReachTheHandler(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("add"), func(context.Context, addIn) (addOut, error) {
		t.Error("the handler ran on bad arguments")
		return addOut{}, nil
	}))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		call := c.Call("add", map[string]any{"a": -1, "c": "x"}).Fails(mcperrors.Validation)
		if call.Result == nil || !call.Result.IsError {
			t.Fatal("a model does not see protocol errors; want an isError result")
		}
		for _, want := range []string{"a: ", "at least 0", "b: ", "required", "c: ", "unknown"} {
			if !strings.Contains(call.Text(), want) {
				t.Errorf("%q is not in:\n%s", want, call.Text())
			}
		}
	})
}

func TestTool_IntegersAreExact(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("echo"), func(_ context.Context, in struct {
		N int64 `json:"n"`
	},
	) (string, error) {
		return fmt.Sprint(in.N), nil
	}))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		for _, n := range []int64{1<<53 + 1, math.MaxInt64, math.MinInt64} {
			if got := c.Call("echo", map[string]any{"n": n}).OK().Text(); got != fmt.Sprint(n) {
				t.Errorf("%d came out as %s", n, got)
			}
		}
		c.Call("echo", json.RawMessage(`{"n":9223372036854775808}`)).Fails(mcperrors.Validation)
		c.Call("echo", json.RawMessage(`{"n":1.5}`)).Fails(mcperrors.Validation)
	})
}

func TestTool_ResultsOfEveryKind(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	type named string
	kinds := map[string]error{
		"string": server.AddTool(srv, tool("string"), func(context.Context, none) (string, error) { return "text", nil }),
		"named":  server.AddTool(srv, tool("named"), func(context.Context, none) (named, error) { return "text", nil }),
		"list":   server.AddTool(srv, tool("list"), func(context.Context, none) ([]int, error) { return []int{1, 2}, nil }),
		"nilist": server.AddTool(srv, tool("nilist"), func(context.Context, none) ([]int, error) { return nil, nil }),
		"int":    server.AddTool(srv, tool("int"), func(context.Context, none) (int, error) { return 7, nil }),
		"map":    server.AddTool(srv, tool("map"), func(context.Context, none) (map[string]int, error) { return map[string]int{"k": 1}, nil }),
		"any":    server.AddTool(srv, tool("any"), func(context.Context, none) (any, error) { return map[string]any{"k": "v"}, nil }),
		"anyint": server.AddTool(srv, tool("anyint"), func(context.Context, none) (any, error) { return 7, nil }),
		"anynil": server.AddTool(srv, tool("anynil"), func(context.Context, none) (any, error) { return nil, nil }),
		"ptr":    server.AddTool(srv, tool("ptr"), func(context.Context, none) (*addOut, error) { return &addOut{3}, nil }),
		"image": server.AddTool(srv, tool("image"), func(context.Context, none) (*mcp.ImageContent, error) {
			return &mcp.ImageContent{Data: []byte{1}, MIMEType: "image/png"}, nil
		}),
		"content": server.AddTool(srv, tool("content"), func(context.Context, none) ([]mcp.Content, error) {
			return []mcp.Content{&mcp.TextContent{Text: "one"}, &mcp.TextContent{Text: "two"}}, nil
		}),
		"result": server.AddTool(srv, tool("result"), func(context.Context, none) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "own"}}, StructuredContent: map[string]any{"x": 1}}, nil
		}),
		"nilresult": server.AddTool(srv, tool("nilresult"), func(context.Context, none) (*mcp.CallToolResult, error) { return nil, nil }),
	}
	for name, err := range kinds {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := map[string][2]string{ // text, structured
		"string": {"text", ""}, "named": {"text", ""},
		"list": {`{"result":[1,2]}`, `{"result":[1,2]}`}, "nilist": {`{"result":[]}`, `{"result":[]}`},
		"int": {`{"result":7}`, `{"result":7}`}, "map": {`{"k":1}`, `{"k":1}`}, "any": {`{"k":"v"}`, `{"k":"v"}`},
		"anyint": {"7", ""}, "anynil": {"", ""}, "ptr": {`{"sum":3}`, `{"sum":3}`}, "image": {"", ""},
		"content": {"one\ntwo", ""}, "result": {"own", `{"x":1}`}, "nilresult": {"", ""},
	}
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		for name, w := range want {
			call := c.Call(name, nil).OK()
			structured := ""
			if call.Result.StructuredContent != nil {
				raw, err := json.Marshal(call.Result.StructuredContent)
				mustAdd(t, err)
				structured = string(raw)
			}
			if got := [2]string{call.Text(), structured}; got != w {
				t.Errorf("%s: got %q, want %q", name, got, w)
			}
		}
	})
}

func TestTool_OutputIsCheckedAgainstItsSchema(t *testing.T) {
	srv, logs := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("bad"), func(context.Context, none) (struct {
		N int `json:"n" validate:"gte=0"`
	}, error,
	) {
		return struct {
			N int `json:"n" validate:"gte=0"`
		}{-1}, nil
	}))
	mustAdd(t, server.AddTool(srv, tool("nan"), func(context.Context, none) (any, error) { return math.NaN(), nil }))
	mustAdd(t, server.AddTool(srv, tool("nilcontent"), func(context.Context, none) ([]mcp.Content, error) { return []mcp.Content{nil}, nil }))
	mustAdd(t, srv.AddRawTool(&mcp.Tool{Name: "broken", Description: "d", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{StructuredContent: json.RawMessage(`{`)}, nil
		}))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		for _, name := range []string{"bad", "nan", "nilcontent", "broken"} {
			c.Call(name, nil).Fails(mcperrors.Internal)
		}
	})
	if logs.FilterMessage("mcp call").Len() == 0 {
		t.Error("nothing was logged")
	}
}

func TestTool_ErrorsSayWhatTheCallerMayKnow(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	canary := errors.New("dial db-7.internal: canary")
	fails := func(name string, err error) {
		mustAdd(t, server.AddTool(srv, tool(name), func(context.Context, none) (none, error) { return none{}, err }))
	}
	fails("plain", canary)
	fails("coded", mcperrors.Wrap(mcperrors.Conflict, "the note is locked", canary))
	fails("wrapped", fmt.Errorf("canary: %w", mcperrors.Errorf(mcperrors.Unavailable, "busy")))
	fails("wire", fmt.Errorf("canary: %w", &jsonrpc.Error{Code: -32042, Message: "own", Data: json.RawMessage(`{"k":1}`)}))
	mustAdd(t, server.AddTool(srv, tool("panic"), func(context.Context, none) (none, error) { panic(canary) }))
	mustAdd(t, server.AddTool(srv, tool("nilmap"), func(context.Context, none) (none, error) {
		var m map[string]int
		m["x"] = 1 //nolint:staticcheck // SA5000 is what is tested
		return none{}, nil
	}))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		for name, code := range map[string]mcperrors.Code{
			"plain": mcperrors.Internal, "coded": mcperrors.Conflict, "wrapped": mcperrors.Unavailable,
			"panic": mcperrors.Internal, "nilmap": mcperrors.Internal, "nosuch": mcperrors.NotFound,
		} {
			call := c.Call(name, nil).Fails(code)
			if strings.Contains(call.Text(), "canary") {
				t.Errorf("%s leaked: %s", name, call.Text())
			}
			if e := mcperrors.From(call.Err); e.RequestID == "" || e.Time.IsZero() {
				t.Errorf("%s: no request id or time: %+v", name, e)
			}
		}
		if got := c.Call("coded", nil); !got.Result.IsError || got.Text() != "the note is locked" {
			t.Errorf("got %q", got.Text())
		}
		var wire *jsonrpc.Error
		if call := c.Call("wire", nil); !errors.As(call.Err, &wire) || wire.Code != -32042 || string(wire.Data) != `{"k":1}` {
			t.Errorf("an author's own JSON-RPC error came out as %v", call.Err)
		}
	})
}

func TestThreat40_AHandlerThatIgnoresItsContextIsAnsweredAndItsSlotFreed(t *testing.T) {
	release := make(chan struct{})
	srv, _ := newServer(t, server.Options{Timeout: time.Hour, MaxInFlight: 1})
	slow := tool("slow")
	slow.Timeout = 20 * time.Millisecond
	mustAdd(t, server.AddTool(srv, slow, func(context.Context, none) (none, error) { <-release; return none{}, nil }))
	mustAdd(t, server.AddTool(srv, tool("quick"), func(context.Context, none) (none, error) { return none{}, nil }))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		t.Cleanup(func() { release <- struct{}{} }) // an HTTP server waits for its handlers
		c.Call("slow", nil).Fails(mcperrors.Timeout)
		c.Call("quick", nil).OK()
	})
}

func TestTool_BeyondMaxInFlightIsRefusedRetryably(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	srv, _ := newServer(t, server.Options{MaxInFlight: 1})
	mustAdd(t, server.AddTool(srv, tool("wait"), func(context.Context, none) (none, error) {
		close(started)
		<-release
		return none{}, nil
	}))
	c := mcptest.New(t, srv)
	first := make(chan error)
	go func() {
		_, err := c.CallTool(context.WithoutCancel(t.Context()), &mcp.CallToolParams{Name: "wait"})
		first <- err
	}()
	<-started
	refused := c.Call("wait", nil).Fails(mcperrors.Exhausted)
	if mcperrors.From(refused.Err).RetryAfter <= 0 {
		t.Error("no retry-after")
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestSDKTool_KeepsGoSDKsHandler(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddSDKTool(srv, &mcp.Tool{Name: "add", Description: "d"},
		func(_ context.Context, req *mcp.CallToolRequest, in addIn) (*mcp.CallToolResult, addOut, error) {
			if req.Params.Name != "add" {
				t.Errorf("request %+v", req.Params)
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "own text"}}}, addOut{in.A + in.B}, nil
		}))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		var out addOut
		if got := c.Call("add", addIn{1, 2}).OK().Decode(&out).Text(); got != "own text" || out.Sum != 3 {
			t.Errorf("got %q, %+v", got, out)
		}
		c.Call("add", map[string]any{"a": -1, "b": 0}).Fails(mcperrors.Validation)
	})
}

func TestTool_InputSchemaCanBeGiven(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	def := tool("given")
	def.InputSchema = json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer","maximum":5,"x-mcp-header":"A"}},"required":["a"]}`)
	mustAdd(t, server.AddTool(srv, def, func(_ context.Context, in struct {
		A int `json:"a"`
	},
	) (string, error) {
		return fmt.Sprint(in.A), nil
	}))
	remote := tool("remote")
	remote.InputSchema = json.RawMessage(`{"type":"object","properties":{"a":{"$ref":"https://example.com/schema"}}}`)
	if err := server.AddTool(srv, remote, add); err == nil || !strings.Contains(err.Error(), "$ref") {
		t.Errorf("THREATS 38: a schema that refers to the network was accepted: %v", err)
	}
	c := mcptest.New(t, srv)
	c.Call("given", map[string]any{"a": 6}).Fails(mcperrors.Validation)
	if got := c.Call("given", map[string]any{"a": 5}).OK().Text(); got != "5" {
		t.Errorf("got %s", got)
	}
	list, err := c.ListTools(t.Context(), nil)
	mustAdd(t, err)
	if raw, _ := json.Marshal(list.Tools[0].InputSchema); !strings.Contains(string(raw), `"x-mcp-header":"A"`) {
		t.Errorf("the schema was changed: %s", raw)
	}
}

func TestHandlers_MayReturnTheSameResultToManyCalls(t *testing.T) {
	shared := &mcp.CallToolResult{Meta: mcp.Meta{"k": "v"}, Content: []mcp.Content{&mcp.TextContent{Text: "shared"}}}
	prompt := &mcp.GetPromptResult{Meta: mcp.Meta{"k": "v"}}
	resource := &mcp.ReadResourceResult{Meta: mcp.Meta{"k": "v"}, Contents: []*mcp.ResourceContents{{Text: "shared"}}}
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("shared"), func(context.Context, none) (*mcp.CallToolResult, error) { return shared, nil }))
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "shared", Description: "d"}, func(context.Context, none) (*mcp.GetPromptResult, error) { return prompt, nil }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:shared", Name: "s"}, func(context.Context) (*mcp.ReadResourceResult, error) { return resource, nil }))
	c := mcptest.New(t, srv)
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			_, toolErr := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "shared"})
			_, promptErr := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "shared"})
			_, readErr := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "x:shared"})
			if err := errors.Join(toolErr, promptErr, readErr); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	for _, meta := range []mcp.Meta{shared.Meta, prompt.Meta, resource.Meta} {
		if len(meta) != 1 {
			t.Errorf("changed: %v", meta)
		}
	}
}
