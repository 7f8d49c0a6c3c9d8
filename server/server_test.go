package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/secret"
	"github.com/trestle-mcp/trestle/server"
)

type none struct{}

// newServer returns a server and what it logs.
func newServer(t *testing.T, opts server.Options) (*server.Server, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	opts.Logger = zap.New(core)
	srv, err := server.New("test", "1.0.0", &opts)
	if err != nil {
		t.Fatal(err)
	}
	return srv, logs
}

func mustAdd(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func tool(name string) server.Tool { return server.Tool{Name: name, Description: "A tool."} }

func TestNew_ReturnsAllMistakesTogether(t *testing.T) {
	_, err := server.New("", "", &server.Options{
		StateKeys: []secret.Secret{secret.New("short")}, Path: "mcp", PageSize: -1, StateTTL: -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"name: missing", "version: missing", "StateKeys: key 0 has 5 bytes, want 32", "Path", "PageSize", "StateTTL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestRun_ReturnsAllMistakesOfRegistrationTogether(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	ok := func(context.Context, none) (none, error) { return none{}, nil }
	_ = server.AddTool(srv, tool("a b"), ok)
	_ = server.AddTool(srv, server.Tool{Name: "undescribed"}, ok)
	_ = server.AddTool(srv, tool("twice"), ok)
	_ = server.AddTool(srv, tool("twice"), ok)
	_ = server.AddTool(srv, tool("list"), func(context.Context, []string) (none, error) { return none{}, nil })
	_ = server.AddTool(srv, tool("chan"), func(context.Context, struct{ C chan int }) (none, error) { return none{}, nil })
	_ = server.AddTool(srv, tool("nil"), (func(context.Context, none) (none, error))(nil))
	_ = server.AddTool(srv, tool("rule"), func(context.Context, struct {
		A string `json:"a" validate:"nosuchrule"`
	},
	) (none, error) {
		return none{}, nil
	})
	_ = srv.AddRawTool(&mcp.Tool{Name: "bare", Description: "No schema."}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil })
	_ = srv.AddRawTool(nil, nil)
	_ = server.AddResource(srv, server.Resource{URI: "relative", Name: "r"}, func(context.Context) (string, error) { return "", nil })
	_ = server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "x:{", Name: "t"},
		func(context.Context, none) (string, error) { return "", nil })
	_ = server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "x:///{id}", Name: "t"},
		func(context.Context, struct {
			Other string `json:"other"`
		},
		) (string, error) {
			return "", nil
		})
	_ = server.AddPrompt(srv, server.Prompt{Name: "p"}, func(context.Context, none) (string, error) { return "", nil })
	_ = srv.CompletePrompt("nosuch", "x", func(context.Context, string, map[string]string) ([]string, error) { return nil, nil })

	want := []string{
		`tool "a b": name: ' ' is not allowed`, `tool "undescribed": description: missing`, `tool "twice": registered twice`,
		`tool "list": arguments: must be a struct`, `tool "chan": arguments:`, `tool "nil": nil handler`, `tool "rule": arguments:`,
		`tool "bare"`, `tool "": nil tool or handler`, `resource "relative": not an absolute URI`,
		`resource template "x:{": not an RFC 6570 template`, `variable "id" has no field`, `field "other" has no variable`,
		`prompt "p": description: missing`, `prompt "nosuch": not registered`,
	}
	_, handlerErr := srv.Handler()
	for name, err := range map[string]error{"Run": srv.Run(t.Context()), "Handler": handlerErr} {
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q is not in: %v", name, w, err)
			}
		}
	}
}

func TestAdd_AfterServingStartedReturnsItsErrorAlone(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	if _, err := srv.Handler(); err != nil {
		t.Fatal(err)
	}
	if err := server.AddTool(srv, tool("a b"), func(context.Context, none) (none, error) { return none{}, nil }); err == nil {
		t.Error("a bad name was accepted")
	}
	if _, err := srv.Handler(); err != nil {
		t.Errorf("a late mistake broke the running server: %v", err)
	}
}

func TestServer_DeclaresCapabilitiesUpFrontAndAnnouncesWhatComesLater(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	changed := make(chan string, 16)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		caps := c.InitializeResult().Capabilities
		if caps.Tools == nil || !caps.Tools.ListChanged || caps.Prompts == nil || !caps.Prompts.ListChanged ||
			caps.Resources == nil || !caps.Resources.ListChanged || !caps.Resources.Subscribe || caps.Completions == nil || caps.Logging == nil {
			t.Fatalf("capabilities of an empty server: %+v", caps)
		}
		mustAdd(t, server.AddTool(srv, tool("late"), func(context.Context, none) (string, error) { return "here", nil }))
		defer srv.RemoveTools("late")
		if got := <-changed; got != "tools" {
			t.Errorf("got %s", got)
		}
		if got := c.Call("late", nil).OK().Text(); got != "here" {
			t.Errorf("got %q", got)
		}
	}, mcptest.WithClient(&mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- "tools" },
	}))
}

func TestRemove_TakesBackAndFreesTheName(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	for _, answer := range []string{"first", "second"} {
		mustAdd(t, server.AddTool(srv, tool("t"), func(context.Context, none) (string, error) { return answer, nil }))
		mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "p", Description: "d"}, func(context.Context, none) (string, error) { return answer, nil }))
		mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:r", Name: "r"}, func(context.Context) (string, error) { return answer, nil }))
		mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "y:{id}", Name: "y"},
			func(_ context.Context, in struct {
				ID string `json:"id"`
			},
			) (string, error) {
				return answer + in.ID, nil
			}))
		c := mcptest.New(t, srv)
		if got := c.Call("t", nil).OK().Text(); got != answer {
			t.Errorf("got %q, want %q", got, answer)
		}
		srv.RemoveTools("t", "unknown")
		srv.RemovePrompts("p")
		srv.RemoveResources("x:r")
		srv.RemoveResourceTemplates("y:{id}")
		c.Call("t", nil).Fails(mcperrors.NotFound)
		for _, uri := range []string{"x:r", "y:1"} {
			if _, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri}); mcperrors.CodeOf(err) != mcperrors.NotFound {
				t.Errorf("%s: %v", uri, err)
			}
		}
		if _, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "p"}); mcperrors.CodeOf(err) != mcperrors.NotFound {
			t.Errorf("prompt: %v", err)
		}
	}
}

func TestServer_KeepsAnswersPrivateUnlessToldOtherwise(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:mine", Name: "m"}, func(context.Context) (string, error) { return "mine", nil }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:ours", Name: "o"}, func(context.Context) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{
			Cacheable: mcp.Cacheable{TTLMs: 5, CacheScope: "public"},
			Contents:  []*mcp.ResourceContents{{Text: "ours"}},
		}, nil
	}))
	c := mcptest.New(t, srv)
	for uri, want := range map[string]string{"x:mine": "private", "x:ours": "public"} {
		res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
		if err != nil || res.CacheScope != want {
			t.Errorf("%s: scope %q, want %q (%v)", uri, res.CacheScope, want, err)
		}
	}
	list, err := c.ListTools(t.Context(), nil)
	if err != nil || list.CacheScope != "private" {
		t.Errorf("list: %+v, %v", list, err)
	}
}

func TestFactory_BuildsServersOfOneHouse(t *testing.T) {
	var order []string
	mark := func(name string) mcp.Middleware {
		return func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				if method == "tools/call" {
					order = append(order, name)
				}
				return next(ctx, method, req)
			}
		}
	}
	house := server.NewFactory(&server.Options{Logger: zap.NewNop(), Middleware: []mcp.Middleware{mark("house")}})
	special := house.With(func(o *server.Options) {
		o.Middleware = append(o.Middleware, mark("special"))
		o.Instructions = "Be kind."
	})
	for _, tt := range []struct {
		factory      *server.Factory
		order        []string
		instructions string
	}{
		{house, []string{"house"}, ""},
		{special, []string{"house", "special"}, "Be kind."},
		{house, []string{"house"}, ""}, // With changed nothing here
	} {
		srv, err := tt.factory.New("s", "1")
		mustAdd(t, err)
		mustAdd(t, server.AddTool(srv, tool("t"), func(context.Context, none) (none, error) { return none{}, nil }))
		order = nil
		c := mcptest.New(t, srv)
		c.Call("t", nil).OK()
		if !slices.Equal(order, tt.order) || c.InitializeResult().Instructions != tt.instructions {
			t.Errorf("order %q, instructions %q; want %q, %q", order, c.InitializeResult().Instructions, tt.order, tt.instructions)
		}
	}
}

func TestStack_RunsOnABareSDKServer(t *testing.T) {
	bare := mcp.NewServer(&mcp.Implementation{Name: "bare", Version: "1"}, nil)
	bare.AddReceivingMiddleware(server.Stack(&server.Options{Logger: zap.NewNop()}))
	mcp.AddTool(bare, &mcp.Tool{Name: "boom"}, func(context.Context, *mcp.CallToolRequest, none) (*mcp.CallToolResult, any, error) {
		panic("canary")
	})
	here, there := mcp.NewInMemoryTransports()
	if _, err := bare.Connect(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	c, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 { // the process and the session live on
		_, err = c.CallTool(t.Context(), &mcp.CallToolParams{Name: "boom"})
		if mcperrors.CodeOf(err) != mcperrors.Internal || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
}

func TestMCP_IsTheWayOut(t *testing.T) {
	srv, _ := newServer(t, server.Options{SDK: func(o *mcp.ServerOptions) { o.Instructions = "from the SDK" }})
	srv.MCP().AddTool(&mcp.Tool{Name: "raw", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return nil, errors.New("canary")
		})
	c := mcptest.New(t, srv)
	if got := c.InitializeResult().Instructions; got != "from the SDK" {
		t.Errorf("instructions %q", got)
	}
	if got := c.Call("raw", nil).Fails(mcperrors.Internal).Text(); strings.Contains(got, "canary") {
		t.Errorf("leaked: %s", got)
	}
}

func TestLog_HasOneRecordACall(t *testing.T) {
	srv, logs := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("t"), func(ctx context.Context, _ none) (string, error) {
		server.Logger(ctx).Info("inside")
		return server.RequestID(ctx), nil
	}))
	c := mcptest.New(t, srv)
	id := c.Call("t", nil).OK().Text()
	calls := logs.FilterMessage("mcp call").Filter(func(e observer.LoggedEntry) bool { return e.ContextMap()["method"] == "tools/call" }).All()
	if len(calls) != 1 {
		t.Fatalf("%d records", len(calls))
	}
	got := calls[0].ContextMap()
	if got["request_id"] != id || got["tool"] != "t" || got["outcome"] != "ok" {
		t.Errorf("got %v", got)
	}
	inside := logs.FilterMessage("inside").All()
	if len(inside) != 1 || inside[0].ContextMap()["request_id"] != id {
		t.Errorf("the handler's own record: %v", inside)
	}
	if diff := cmp.Diff("", server.RequestID(t.Context())); diff != "" {
		t.Errorf("outside of a call: %s", diff)
	}
}

// Two that add to the same rules are not in each other's way.
func TestFactory_WithAddsForOneOnly(t *testing.T) {
	called := ""
	mark := func(name string) mcp.Middleware {
		return func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				if method == "tools/call" {
					called += name
				}
				return next(ctx, method, req)
			}
		}
	}
	observe := append(make([]mcp.Middleware, 0, 4), mark("house")) // with room behind it
	house := server.NewFactory(&server.Options{Logger: zap.NewNop(), Observe: observe})
	with := func(name string) *server.Factory {
		return house.With(func(o *server.Options) { o.Observe = append(o.Observe, mark(name)) })
	}
	a, b := with("a"), with("b")
	for f, want := range map[*server.Factory]string{a: "housea", b: "houseb"} {
		srv, err := f.New("s", "1")
		mustAdd(t, err)
		mustAdd(t, server.AddTool(srv, tool("t"), func(context.Context, none) (none, error) { return none{}, nil }))
		called = ""
		mcptest.New(t, srv).Call("t", nil).OK()
		if called != want {
			t.Errorf("%q, want %q", called, want)
		}
	}
}
