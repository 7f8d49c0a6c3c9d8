package server_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/server"
)

// long is more than the default of 1 MiB.
var long = strings.Repeat("ä", 600<<10)

func answeringServer(t *testing.T, opts server.Options) (*server.Server, *observer.ObservedLogs) {
	t.Helper()
	srv, logs := newServer(t, opts)
	type data struct {
		Text string `json:"text"`
	}
	mustAdd(t, server.AddTool(srv, tool("text"), func(context.Context, none) (string, error) { return long, nil }))
	mustAdd(t, server.AddTool(srv, tool("data"), func(context.Context, none) (data, error) { return data{long}, nil }))
	mustAdd(t, server.AddTool(srv, tool("hides"), func(context.Context, none) (data, error) { return data{"a\x1b[31mb\u202ec"}, nil }))
	mustAdd(t, server.AddTool(srv, tool("fails"), func(context.Context, none) (data, error) {
		return data{}, mcperrors.Errorf(mcperrors.Conflict, "a\x1b[31mb\u202ec")
	}))
	mustAdd(t, server.AddTool(srv, tool("small"), func(context.Context, none) (data, error) { return data{"small"}, nil }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:text", Name: "text"}, func(context.Context) (string, error) { return long, nil }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:blob", Name: "blob"}, func(context.Context) ([]byte, error) { return []byte(long), nil }))
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "text", Description: "Text."}, func(context.Context, none) (string, error) { return long, nil }))
	return srv, logs
}

func TestServer_AnswersNoMoreThanAMebibyteByDefault(t *testing.T) {
	srv, _ := answeringServer(t, server.Options{})
	answersNoMoreThan(t, mcptest.New(t, srv), 1<<20)
}

func TestServer_AnswersNoMoreThanItsLimitOnEveryRoad(t *testing.T) {
	srv, _ := answeringServer(t, server.Options{MaxResult: 4096})
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) { answersNoMoreThan(t, c, 4096) })
}

func answersNoMoreThan(t *testing.T, c *mcptest.Client, limit int) {
	t.Helper()
	const mark = "bytes left out]"
	res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "text"})
	if err != nil || res.IsError {
		t.Fatal(res, err)
	}
	text := res.Content[0].(*mcp.TextContent).Text
	if !strings.HasSuffix(text, mark) || len(text) > limit+100 || len(text) < limit-100 || res.Meta[middleware.TruncatedMetaKey] == nil {
		t.Errorf("%d bytes, _meta %v", len(text), res.Meta)
	}
	res, err = c.CallTool(t.Context(), &mcp.CallToolParams{Name: "data"})
	if err != nil || !res.IsError || !strings.Contains(res.Content[0].(*mcp.TextContent).Text, "ask for less") || res.StructuredContent != nil {
		t.Errorf("structured content: %.200v, %v", res, err)
	}
	if got, err := read(t, c, "x:text"); err != nil || !strings.HasSuffix(got.Text, mark) {
		t.Errorf("resource: %v", err)
	}
	if _, err := read(t, c, "x:blob"); mcperrors.CodeOf(err) != mcperrors.Validation {
		t.Errorf("blob: %v", err)
	}
	prompt, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "text"})
	if err != nil || !strings.HasSuffix(prompt.Messages[0].Content.(*mcp.TextContent).Text, mark) {
		t.Errorf("prompt: %v", err)
	}
	c.Call("small", nil).OK()
}

func TestServer_AnswersWithoutALimitWhereThatIsNegative(t *testing.T) {
	srv, _ := answeringServer(t, server.Options{MaxResult: -1})
	res, err := mcptest.New(t, srv).CallTool(t.Context(), &mcp.CallToolParams{Name: "text"})
	if err != nil || res.Content[0].(*mcp.TextContent).Text != long {
		t.Error("cut", err)
	}
}

func TestServer_StripsWhatIsHiddenOnlyIfTheOptionsSaySo(t *testing.T) {
	for _, strip := range []bool{false, true} {
		srv, _ := answeringServer(t, server.Options{StripHidden: strip})
		mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
			for _, name := range []string{"hides", "fails"} {
				res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: name})
				if err != nil {
					t.Fatal(err)
				}
				raw, err := json.Marshal(res)
				mustAdd(t, err)
				if hides := strings.Contains(string(raw), `u001b`) && strings.Contains(string(raw), "\u202e"); hides == strip {
					t.Errorf("strip %v: %s", strip, raw)
				}
			}
		})
	}
}

func TestStack_BoundsWhatItsMiddlewareAnswersAndAuditSeesTheRefusal(t *testing.T) {
	core, audit := observer.New(zap.InfoLevel)
	var seen mcp.Result
	answer := &mcp.CallToolResult{StructuredContent: json.RawMessage(`"` + strings.Repeat("x", 2000) + `"`)}
	cache := func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			switch p, _ := req.GetParams().(*mcp.CallToolParamsRaw); {
			case p == nil:
			case p.Name == "data":
				return answer, nil
			case p.Name == "text":
				seen = res
			}
			return res, err
		}
	}
	srv, _ := answeringServer(t, server.Options{MaxResult: 1000, StripHidden: true, Middleware: []mcp.Middleware{cache}, Audit: server.AuditLog(zap.New(core))})
	c := mcptest.New(t, srv)
	res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "data"})
	if err != nil || !res.IsError {
		t.Errorf("what the middleware answered is not bounded: %v, %v", res, err)
	}
	last := func(logs *observer.ObservedLogs, message string) map[string]any {
		all := slices.DeleteFunc(logs.All(), func(e observer.LoggedEntry) bool {
			return e.Message != message || e.ContextMap()["method"] != "tools/call"
		})
		return all[len(all)-1].ContextMap()
	}
	if m := last(audit, "audit"); m["outcome"] != "validation" || m["decision"] != "allowed" {
		t.Errorf("audit: %v", m)
	}
	if _, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "text"}); err != nil {
		t.Fatal(err)
	}
	if len(seen.(*mcp.CallToolResult).Content[0].(*mcp.TextContent).Text) != len(long) {
		t.Error("the middleware got what was cut already")
	}
}

func TestRegistration_RefusesWhatPeopleWouldNotSee(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	type hiding struct {
		A int `json:"a" jsonschema:"an \u200bargument"`
	}
	evil := "Adds.\U000e0049\U000e0067"
	for name, err := range map[string]error{
		"description": server.AddTool(srv, server.Tool{Name: "a", Description: evil}, func(context.Context, none) (none, error) { return none{}, nil }),
		"argument":    server.AddTool(srv, tool("b"), func(context.Context, hiding) (none, error) { return none{}, nil }),
		"title":       server.AddPrompt(srv, server.Prompt{Name: "c", Description: "x", Title: "a\x1b[2J"}, func(context.Context, none) (string, error) { return "", nil }),
		"resource":    server.AddResource(srv, server.Resource{URI: "x:a", Name: "a\u202e"}, func(context.Context) (string, error) { return "", nil }),
		"template":    srv.AddRawResourceTemplate(&mcp.ResourceTemplate{URITemplate: "x:{a}", Name: "a", Description: evil}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) { return nil, nil }),
	} {
		if err == nil || !strings.Contains(err.Error(), "not visible") {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAdd(t, server.AddTool(srv, server.Tool{Name: "fine", Description: "Fügt 👨\u200d👩\u200d👧 hinzu.\n\tنمی\u200cخواهم"}, func(context.Context, none) (none, error) { return none{}, nil }))
}
