package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/server"
)

// ways are how clients reach a server.
var ways = map[string][]mcptest.Option{
	"modern over HTTP": {mcptest.OverHTTP()}, "legacy over HTTP": {mcptest.OverHTTP(), mcptest.Legacy()},
	"modern over stdio": {mcptest.OverStdio()}, "legacy over stdio": {mcptest.OverStdio(), mcptest.Legacy()},
}

func TestPlugins_ComeAndGoWhileClientsAreConnected(t *testing.T) {
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			srv := quiet(t, server.Options{})
			telling, changed := notices()
			c := mcptest.New(t, srv, append(options, telling)...)
			everything := func(version string) {
				t.Helper()
				for _, tool := range []string{"p", "old.p"} {
					if got := c.Call(tool, nil).OK().Text(); got != version {
						t.Errorf("%s: %s", tool, got)
					}
				}
				prompt, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "p"})
				must(t, err)
				if got := prompt.Messages[0].Content.(*mcp.TextContent).Text; got != version {
					t.Error("prompt:", got)
				}
				for uri, mimeType := range map[string]string{"p://one": "text/" + version, "p://me/2": ""} {
					res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
					must(t, err)
					if got := res.Contents[0]; got.Text != version || got.MIMEType != mimeType {
						t.Errorf("%s: %+v", uri, got)
					}
				}
				tools, err := c.ListTools(t.Context(), nil)
				must(t, err)
				if len(tools.Tools) != 1 || tools.Tools[0].Description != version {
					t.Error("list:", tools.Tools)
				}
			}
			must(t, srv.Plugins().Register(t.Context(), versioned("p", "1.0.0")))
			hear(t, changed, "tools", "prompts", "resources")
			everything("1.0.0")
			must(t, srv.Plugins().Replace(t.Context(), versioned("p", "2.0.0")))
			hear(t, changed, "tools", "prompts", "resources")
			everything("2.0.0")

			began := time.Now()
			must(t, srv.Plugins().Unregister(t.Context(), "p"))
			hear(t, changed, "tools")
			t.Logf("the client knows of it after %v", time.Since(began).Round(time.Millisecond))
			hear(t, changed, "prompts", "resources")
			c.Call("p", nil).Fails(mcperrors.NotFound)
			c.Call("old.p", nil).Fails(mcperrors.NotFound)
			if _, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "p://one"}); err == nil {
				t.Error("the resource is still there")
			}
			if tools, err := c.ListTools(t.Context(), nil); err != nil || len(tools.Tools) != 0 {
				t.Error("list:", tools, err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// many returns a plugin with many tools, whose descriptions are the version.
func many(name, version string, count int) *part {
	return &part{name, version, func(r *plugin.Registrar) error {
		for i := range count {
			err := server.AddTool(r, server.Tool{Name: fmt.Sprintf("%s.%d", name, i), Description: version},
				func(context.Context, none) (string, error) { return version, nil })
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

func TestReplace_OfManyToolsIsOneNotice(t *testing.T) {
	for name, options := range map[string][]mcptest.Option{
		"modern": nil, "legacy": {mcptest.Legacy()}, "modern over stdio": {mcptest.OverStdio()}, "legacy over stdio": {mcptest.OverStdio(), mcptest.Legacy()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where no machine is busy
				if n := noticesOfMany(t, options); n != 2 {
					t.Errorf("%d notices of two changes", n)
				}
			})
		})
	}
	for name, options := range ways {
		t.Run("in real time, "+name, func(t *testing.T) {
			n := noticesOfMany(t, options)
			t.Logf("%d notices of two changes", n)
			if n > 20 {
				t.Errorf("%d notices of two changes", n)
			}
		})
	}
}

// noticesOfMany replaces a plugin with many tools, and registers one thereafter.
func noticesOfMany(t *testing.T, options []mcptest.Option) int {
	t.Helper()
	srv := quiet(t, server.Options{}, many("p", "1.0.0", 200))
	telling, changed := notices()
	c := mcptest.New(t, srv, append(options, telling)...)
	must(t, srv.Plugins().Replace(t.Context(), many("p", "2.0.0", 200)))
	heard := hear(t, changed, "tools")
	// What was on its way comes before the notices of a later change.
	must(t, srv.Plugins().Register(t.Context(), versioned("q", "1.0.0")))
	for kind, count := range hear(t, changed, "tools", "resources", "prompts") {
		heard[kind] += count
	}
	tools, err := c.ListTools(t.Context(), nil)
	must(t, err)
	if len(tools.Tools) != 201 || tools.Tools[0].Description != "2.0.0" {
		t.Error(len(tools.Tools), tools.Tools[0].Description)
	}
	return heard["tools"]
}

func TestPlugins_CollideWithTheServerAndEachOther(t *testing.T) {
	srv := quiet(t, server.Options{})
	mustAdd(t, server.AddTool(srv, server.Tool{Name: "mine", Description: "A tool.", Aliases: []string{"alias"}}, func(context.Context, none) (string, error) { return "mine", nil }))
	must(t, srv.Plugins().Register(t.Context(), versioned("p", "1.0.0")))
	for _, name := range []string{"a tool", "an alias", "another plugin's alias", "another plugin's resource"} {
		text := func(context.Context, none) (string, error) { return "", nil }
		p := &part{"q", "1.0.0", func(r *plugin.Registrar) error {
			_ = server.AddTool(r, tool("fine"), text)
			switch name {
			case "a tool":
				return server.AddTool(r, tool("mine"), text)
			case "an alias":
				return server.AddTool(r, tool("alias"), text)
			case "another plugin's alias":
				return server.AddTool(r, tool("old.p"), text)
			}
			return server.AddResource(r, server.Resource{URI: "p://one", Name: "x"}, func(context.Context) (string, error) { return "", nil })
		}}
		t.Run(name, func(t *testing.T) {
			err := srv.Plugins().Register(t.Context(), p)
			if mcperrors.CodeOf(err) != mcperrors.Conflict || !strings.Contains(err.Error(), "registered twice") {
				t.Error(err)
			}
		})
	}
	c := mcptest.New(t, srv)
	c.Call("fine", nil).Fails(mcperrors.NotFound)
	if got := c.Call("mine", nil).OK().Text() + c.Call("p", nil).OK().Text(); got != "mine1.0.0" {
		t.Error(got)
	}
	if err := server.AddTool(srv, tool("p"), func(context.Context, none) (string, error) { return "", nil }); err == nil {
		t.Error("the server takes a plugin's name")
	}
	srv.RemoveTools("p") // it is not the server's
	if got := c.Call("p", nil).OK().Text(); got != "1.0.0" {
		t.Error(got)
	}
	if srv.CompletePrompt("p", "x", func(context.Context, string, map[string]string) ([]string, error) { return nil, nil }) == nil {
		t.Error("the server completes a plugin's prompt")
	}
}

// The server's own checks: each is told with the plugin, and nothing is served.
func TestPlugins_AreVettedLikeTheServersOwn(t *testing.T) {
	text := func(context.Context, none) (string, error) { return "", nil }
	srv := quiet(t, server.Options{})
	err := srv.Plugins().Register(t.Context(), &part{"p", "1.0.0", func(r *plugin.Registrar) error {
		_ = server.AddTool(r, tool("good"), text)
		_ = server.AddTool(r, tool("bad name"), text)
		_ = server.AddTool(r, server.Tool{Name: "silent"}, text)
		_ = server.AddTool(r, server.Tool{Name: "needy", Description: "A tool.", Require: []string{"admin:access"}}, text)
		_ = server.AddResource(r, server.Resource{URI: "no scheme", Name: "x"}, func(context.Context) (string, error) { return "", nil })
		return r.AddRawTool(&mcp.Tool{Name: "list", Description: "A tool.", InputSchema: map[string]any{"type": "array"}},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil })
	}})
	for _, want := range []string{`tool "bad name": name: ' ' is not allowed`, `tool "silent": description`, `tool "needy"`, `resource "no scheme"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	err = srv.Plugins().Register(t.Context(), &part{"p", "1.0.0", func(r *plugin.Registrar) error {
		return r.AddRawTool(&mcp.Tool{Name: "list", Description: "A tool.", InputSchema: map[string]any{"type": "array"}},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil })
	}})
	if err == nil || !strings.Contains(err.Error(), `input schema must have type "object"`) {
		t.Error(err)
	}
	err = srv.Plugins().Register(t.Context(), &part{"p", "1.0.0", func(r *plugin.Registrar) error {
		return server.AddTool(r, tool("x"), func(context.Context, none) (chan int, error) { return nil, nil })
	}})
	if mcperrors.CodeOf(err) != mcperrors.Validation || !strings.Contains(err.Error(), `tool "x"`) {
		t.Error("a result that does not encode:", err)
	}
	if len(srv.Plugins().List()) != 0 {
		t.Error("left behind")
	}
}

func TestFactory_TakesPluginsOrNone(t *testing.T) {
	f := server.NewFactory(&server.Options{Logger: zap.NewNop(), InfoResource: true, Title: "A test"})
	srv, err := f.New("test", "1.0.0", versioned("p", "1.2.0"), plugin.Setup{Plugin: versioned("q", "1.0.0"), Disabled: true})
	must(t, err)
	c := mcptest.New(t, srv)
	if got := c.Call("p", nil).OK().Text(); got != "1.2.0" {
		t.Error(got)
	}
	res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: server.InfoURI})
	must(t, err)
	var info server.Info
	must(t, json.Unmarshal([]byte(res.Contents[0].Text), &info))
	p, _ := srv.Plugins().Status("p")
	q, _ := srv.Plugins().Status("q")
	want := []server.PluginInfo{{Name: "p", Version: "1.2.0", State: plugin.Enabled, Hash: p.Hash}, {Name: "q", Version: "1.0.0", State: plugin.Disabled, Hash: q.Hash}}
	if info.Name != "test" || info.Version != "1.0.0" || info.Title != "A test" || info.PluginsHash != srv.Plugins().Hash() || info.Build.Go == "" ||
		len(info.Plugins) != 2 || info.Plugins[0].Hash != want[0].Hash || info.Plugins[1].State != want[1].State || res.Contents[0].MIMEType != "application/json" {
		t.Errorf("%+v", info)
	}
	must(t, srv.Drain(t.Context()))
	if len(srv.Plugins().List()) != 0 {
		t.Error("Drain leaves plugins")
	}
	if _, err := f.New("test", "1.0.0", versioned("p", "1.0.0"), versioned("p", "2.0.0")); err == nil || !strings.Contains(err.Error(), `server "test": conflict: plugin "p": given twice`) {
		t.Error(err)
	}
	if _, err := server.New("test", "1.0.0", &server.Options{Plugins: plugin.Options{HookTimeout: -1}}); err == nil {
		t.Error("wrong options are taken")
	}
}

// checked is a plugin that may be unwell.
type checked struct {
	part
	err error
}

func (c *checked) Check(context.Context) error { return c.err }

func TestPlugins_AreInTheServersHealth(t *testing.T) {
	p := &checked{*versioned("p", "1.0.0"), nil}
	srv := quiet(t, server.Options{}, p)
	must(t, srv.Plugins().Check(t.Context()))
	p.err = errors.New("no disk")
	if err := srv.Plugins().Check(t.Context()); err == nil || err.Error() != `plugin "p": Check: no disk` {
		t.Error(err)
	}
}

// auditRecords keeps records.
type auditRecords struct{ records []*auth.AuditRecord }

func (a *auditRecords) Audit(_ context.Context, r *auth.AuditRecord) error {
	a.records = append(a.records, r)
	return nil
}

func TestPlugins_AreLoggedAndAudited(t *testing.T) {
	audit := &auditRecords{}
	var heard []plugin.Change
	srv, logs := newServer(t, server.Options{Audit: audit, Plugins: plugin.Options{OnEvent: func(_ context.Context, e plugin.Event) { heard = append(heard, e.Change) }}})
	ctx := auth.WithPrincipal(t.Context(), &auth.Principal{Issuer: "https://id", Subject: "olga", Tenant: "ops"})
	must(t, srv.Plugins().Register(ctx, versioned("p", "1.0.0")))
	must(t, srv.Plugins().Replace(ctx, versioned("p", "1.1.0")))
	if srv.Plugins().Register(ctx, versioned("p", "1.0.0")) == nil {
		t.Fatal("twice")
	}
	entries := logs.FilterMessageSnippet("plugin change").All()
	if len(entries) != 3 || entries[1].ContextMap()["from"] != "1.0.0" || entries[1].ContextMap()["change"] != "replace" ||
		entries[1].ContextMap()["hash"] != srv.Plugins().Hash() || entries[2].Message != "plugin change failed" {
		t.Errorf("%+v", entries)
	}
	if len(audit.records) != 3 {
		t.Fatal(audit.records)
	}
	r := audit.records[1]
	if r.Method != "plugins/replace" || r.Outcome != "ok" || r.Tenant != "ops" || !strings.Contains(r.Principal, "olga") || r.Actions[0].String() != "admin:plugins:p" {
		t.Errorf("%+v", r)
	}
	if r := audit.records[2]; r.Outcome != string(mcperrors.Conflict) {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(heard, []plugin.Change{plugin.ChangeRegister, plugin.ChangeReplace, plugin.ChangeRegister}) {
		t.Error(heard)
	}
}

// What is listed is judged by what was listed, though something else may have its
// name by then.
func TestPlugins_ListsShowNoVersionToThoseWhoMayNotSeeIt(t *testing.T) {
	guarded := func(version, secret string, need ...string) *part {
		return &part{"p", version, func(r *plugin.Registrar) error {
			return server.AddTool(r, server.Tool{Name: "p", Description: secret, Require: need},
				func(context.Context, none) (string, error) { return secret, nil })
		}}
	}
	var srv *server.Server
	swap := func() {}
	between := func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			if method == "tools/list" {
				swap() // the list is taken, and not judged yet
			}
			return res, err
		}
	}
	policy := policyOf(t, auth.PolicySpec{Anonymous: []string{"execute:tools"}})
	srv = quiet(t, server.Options{Policy: policy, Middleware: []mcp.Middleware{between}}, guarded("1.0.0", "secret", "admin:access"))
	swap = func() { must(t, srv.Plugins().Replace(t.Context(), guarded("2.0.0", "public"))) }
	c := mcptest.New(t, srv)
	tools, err := c.ListTools(t.Context(), nil)
	must(t, err)
	if len(tools.Tools) != 0 {
		t.Error("it sees", tools.Tools[0].Description)
	}
	swap = func() {}
	tools, err = c.ListTools(t.Context(), nil)
	must(t, err)
	if len(tools.Tools) != 1 || tools.Tools[0].Description != "public" {
		t.Error(tools.Tools)
	}
}

func TestPlugins_TripOfOneIsSeenByClients(t *testing.T) {
	srv := quiet(t, server.Options{Plugins: plugin.Options{MaxPanics: 2, MinBackoff: time.Hour, MaxBackoff: time.Hour}}, versioned("q", "1.0.0"),
		&part{"p", "1.0.0", func(r *plugin.Registrar) error {
			return server.AddTool(r, tool("panics"), func(context.Context, none) (string, error) { panic("oh no") })
		}})
	telling, changed := notices()
	c := mcptest.New(t, srv, telling)
	c.Call("panics", nil).Fails(mcperrors.Internal)
	c.Call("panics", nil).Fails(mcperrors.Internal)
	hear(t, changed, "tools")
	c.Call("panics", nil).Fails(mcperrors.NotFound)
	c.Call("q", nil).OK()
	if err := srv.Plugins().Check(t.Context()); err == nil || !strings.Contains(err.Error(), `plugin "p": tripped`) {
		t.Error(err)
	}
}

func TestPlugins_CompletionsGoThroughThem(t *testing.T) {
	srv := quiet(t, server.Options{}, &part{"p", "1.0.0", func(r *plugin.Registrar) error {
		_ = server.AddPrompt(r, server.Prompt{Name: "ask", Description: "A prompt."}, func(_ context.Context, in note) (string, error) { return in.Owner, nil })
		return r.CompletePrompt("ask", "owner", func(context.Context, string, map[string]string) ([]string, error) { return []string{"me"}, nil })
	}})
	c := mcptest.New(t, srv)
	ask := func() (*mcp.CompleteResult, error) {
		return c.Complete(t.Context(), &mcp.CompleteParams{Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: "ask"}, Argument: mcp.CompleteParamsArgument{Name: "owner"}})
	}
	res, err := ask()
	must(t, err)
	if !slices.Equal(res.Completion.Values, []string{"me"}) {
		t.Error(res.Completion.Values)
	}
	must(t, srv.Plugins().Unregister(t.Context(), "p"))
	if _, err := ask(); err == nil {
		t.Error("it completes what is gone")
	}
	err = srv.Plugins().Register(t.Context(), &part{"p", "1.0.0", func(r *plugin.Registrar) error {
		_ = server.AddPrompt(r, server.Prompt{Name: "ask", Description: "A prompt."}, func(_ context.Context, in note) (string, error) { return in.Owner, nil })
		return r.CompletePrompt("ask", "other", func(context.Context, string, map[string]string) ([]string, error) { return nil, nil })
	}})
	if err == nil || !strings.Contains(err.Error(), `no argument "other" to complete`) {
		t.Error(err)
	}
}

type intercepted struct {
	part
	mw mcp.Middleware
}

func (p *intercepted) Middleware() mcp.Middleware { return p.mw }

func TestPlugins_MiddlewareIsAroundCompletions(t *testing.T) {
	refuse := false
	mw := func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if p, ok := req.GetParams().(*mcp.CompleteParams); !ok || method != "completion/complete" || p.Argument.Value != "m" || req.GetSession() == nil {
				t.Errorf("%s %T", method, req.GetParams())
			}
			if refuse {
				return nil, mcperrors.Errorf(mcperrors.Conflict, "no")
			}
			return next(ctx, method, req)
		}
	}
	srv := quiet(t, server.Options{}, &intercepted{part{"p", "1.0.0", func(r *plugin.Registrar) error {
		_ = server.AddPrompt(r, server.Prompt{Name: "ask", Description: "A prompt."}, func(_ context.Context, in note) (string, error) { return in.Owner, nil })
		return r.CompletePrompt("ask", "owner", func(_ context.Context, typed string, _ map[string]string) ([]string, error) {
			return []string{typed + "e"}, nil
		})
	}}, mw})
	c := mcptest.New(t, srv)
	params := &mcp.CompleteParams{Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: "ask"}, Argument: mcp.CompleteParamsArgument{Name: "owner", Value: "m"}}
	res, err := c.Complete(t.Context(), params)
	must(t, err)
	if !slices.Equal(res.Completion.Values, []string{"me"}) {
		t.Error(res.Completion.Values)
	}
	refuse = true
	if res, err := c.Complete(t.Context(), params); err == nil {
		t.Error("it completes what its middleware refuses:", res.Completion.Values)
	}
}

// go-sdk tells clients after 10 ms without a change. Schemas of this size take it
// longer than that, each: without notices that would be 9 of the two changes.
//
// Of the first change clients may hear four times where everything has to wait for
// everything else: of a notice that was on its way for all that time, of the last
// change, and of the mark that comes and goes once more. Of the second they hear
// once.
func TestRegister_OfSomethingThatTakesLongIsFewNotices(t *testing.T) {
	properties := map[string]any{}
	for i := range 20_000 {
		properties[fmt.Sprintf("p%d", i)] = map[string]any{"type": "string"}
	}
	schema, err := json.Marshal(map[string]any{"type": "object", "properties": properties})
	must(t, err)
	srv := quiet(t, server.Options{})
	telling, changed := notices()
	mcptest.New(t, srv, telling)
	must(t, srv.Plugins().Register(t.Context(), &part{"big", "1.0.0", func(r *plugin.Registrar) error {
		for i := range 8 {
			err := r.AddRawTool(&mcp.Tool{Name: fmt.Sprintf("big%d", i), Description: "A tool.", InputSchema: json.RawMessage(schema)},
				func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil })
			if err != nil {
				return err
			}
		}
		return nil
	}}))
	heard := hear(t, changed, "tools")
	must(t, srv.Plugins().Register(t.Context(), versioned("q", "1.0.0")))
	for kind, count := range hear(t, changed, "tools", "resources", "prompts") {
		heard[kind] += count
	}
	t.Logf("%d notices of two changes", heard["tools"])
	if heard["tools"] > 5 {
		t.Errorf("%d notices of two changes", heard["tools"])
	}
}

// A moving plugin takes over the state of the version that it replaces.
type moving struct {
	part
	migrate func()
}

func (p *moving) Migrate(context.Context, plugin.Plugin, string) error { p.migrate(); return nil }

// By the time they are let in, go-sdk has found the old version for them.
func TestPlugins_CallsThatWaitForStateFindTheNextVersion(t *testing.T) {
	srv := quiet(t, server.Options{}, versioned("p", "1.0.0"))
	c := mcptest.New(t, srv, mcptest.OverHTTP())
	var calls sync.WaitGroup
	must(t, srv.Plugins().Replace(t.Context(), &moving{*versioned("p", "2.0.0"), func() {
		calls.Go(func() {
			if call := c.Call("p", nil); call.Err != nil || call.Text() != "2.0.0" {
				t.Error("tool:", call.Text(), call.Err)
			}
		})
		calls.Go(func() {
			res, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "p"})
			if err != nil || res.Messages[0].Content.(*mcp.TextContent).Text != "2.0.0" {
				t.Error("prompt:", res, err)
			}
		})
		calls.Go(func() {
			res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "p://one"})
			if err != nil || res.Contents[0].Text != "2.0.0" || res.Contents[0].MIMEType != "text/2.0.0" {
				t.Error("resource:", res, err)
			}
		})
		for goroutines("(*gate).Enter") < 3 {
			runtime.Gosched()
		}
	}}))
	calls.Wait()
}
