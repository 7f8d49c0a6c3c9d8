package plugin_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin"
)

// A faulty plugin has every method there is, and does something bad in one.
type faulty struct {
	version string
	in      string // the method
	bad     func()
}

func (p *faulty) do(method string) {
	if method == p.in {
		p.bad()
	}
}

func (p *faulty) Name() string    { p.do("Name"); return "faulty" }
func (p *faulty) Version() string { p.do("Version"); return p.version }
func (p *faulty) Register(r *plugin.Registrar) error {
	p.do("Register")
	return add(r, "tool", func(context.Context) (string, error) { p.do("a tool"); return p.version, nil })
}

func (p *faulty) Config() any                    { p.do("Config"); return new(struct{}) }
func (p *faulty) Start(context.Context) error    { p.do("Start"); return nil }
func (p *faulty) Stop(context.Context) error     { p.do("Stop"); return nil }
func (p *faulty) Check(context.Context) error    { p.do("Check"); return nil }
func (p *faulty) Requires() []plugin.Requirement { p.do("Requires"); return nil }

func (p *faulty) Permissions() []plugin.Permission { p.do("Permissions"); return nil }

func (p *faulty) Toolsets() []plugin.Toolset { p.do("Toolsets"); return nil }

func (p *faulty) Migrate(context.Context, plugin.Plugin, string) error { p.do("Migrate"); return nil }

func (p *faulty) Middleware() mcp.Middleware {
	p.do("Middleware")
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		p.do("middleware")
		return next
	}
}

// before are the methods that run before the plugin is there.
var before = []string{"Name", "Version", "Config", "Requires", "Permissions", "Toolsets", "Middleware", "Register", "Start"}

// faults runs a test for a panic and for a hang in each method.
func faults(t *testing.T, methods []string, test func(t *testing.T, p *faulty, says string)) {
	t.Helper()
	for _, method := range methods {
		says := method
		if method == "middleware" {
			says = "Register" // when it is put around handlers
		}
		t.Run("panic in "+method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, &faulty{version: "1.0.0", in: method, bad: func() { panic("oh no") }}, "panic in "+says+": oh no")
			})
		})
		t.Run("exit in "+method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, &faulty{version: "1.0.0", in: method, bad: func() { exit() }}, "panic in "+says+": runtime.Goexit")
			})
		})
		t.Run("hang in "+method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leave := make(chan struct{})
				defer close(leave)
				test(t, &faulty{version: "1.0.0", in: method, bad: func() { <-leave }}, says+" hangs")
			})
		})
	}
}

// another is a plugin that nothing must happen to.
func another(t *testing.T, m *plugin.Manager) {
	t.Helper()
	must(t, m.Register(t.Context(), &part{name: "another", version: "1.0.0", register: tools("well", "other")}))
}

func wellBeing(t *testing.T, h *table) {
	t.Helper()
	if text, err := h.call(t.Context(), "other"); text != "well" || err != nil {
		t.Error("the other plugin:", text, err)
	}
}

func TestFault_BeforeThePluginIsThereIsItsErrorAndLeavesNothing(t *testing.T) {
	faults(t, append(before, "middleware"), func(t *testing.T, p *faulty, says string) {
		m, h := newManager(t, plugin.Options{})
		another(t, m)
		began := time.Now()
		err := m.Register(t.Context(), p)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
		if took := time.Since(began); took > 11*time.Second {
			t.Error("took", took)
		}
		if len(m.List()) != 1 || h.names() != "other" {
			t.Error(m.List(), h.names())
		}
		wellBeing(t, h)
		if s := m.Stats(); s.Panics+s.Hangs != 1 || s.Failed != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFault_OfTheNextVersionLeavesTheOldOne(t *testing.T) {
	faults(t, append(before, "middleware", "Migrate"), func(t *testing.T, p *faulty, says string) {
		m, h := newManager(t, plugin.Options{})
		another(t, m)
		must(t, m.Register(t.Context(), &faulty{version: "0.9.0"}))
		err := m.Replace(t.Context(), p)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
		if text, err := h.call(t.Context(), "tool"); text != "0.9.0" || err != nil {
			t.Error(text, err)
		}
		wellBeing(t, h)
	})
}

func TestFault_InStopIsToldAndThePluginIsGone(t *testing.T) {
	faults(t, []string{"Stop"}, func(t *testing.T, p *faulty, says string) {
		var told []error
		m, h := newManager(t, plugin.Options{OnEvent: func(_ context.Context, e plugin.Event) { told = append(told, e.Err) }})
		another(t, m)
		must(t, m.Register(t.Context(), p))
		must(t, m.Replace(t.Context(), p))
		must(t, m.Unregister(t.Context(), "faulty"))
		for _, err := range told[2:] {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want %q", err, says)
			}
		}
		if len(told) != 4 || h.names() != "other" {
			t.Error(told, h.names())
		}
		wellBeing(t, h)
	})
}

func TestFault_InCheckIsThePluginsState(t *testing.T) {
	faults(t, []string{"Check"}, func(t *testing.T, p *faulty, says string) {
		m, h := newManager(t, plugin.Options{MaxPanics: -1})
		another(t, m)
		must(t, m.Register(t.Context(), p))
		began := time.Now()
		err := m.Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), `plugin "faulty": `+says) {
			t.Errorf("%v, want %q", err, says)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Error("took", took)
		}
		if again := m.Check(t.Context()); again == nil || time.Since(began) > 3*time.Second {
			t.Error("again:", again, time.Since(began))
		}
		wellBeing(t, h)
	})
}

func exit() { runtime.Goexit() }

func TestFault_InWhenHidesTheToolAndIsBounded(t *testing.T) {
	for name, bad := range map[string]func(leave chan struct{}){
		"panic": func(chan struct{}) { panic("oh no") },
		"hang":  func(leave chan struct{}) { <-leave },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leave := make(chan struct{})
				m, h := newManager(t, plugin.Options{MaxPanics: -1})
				must(t, m.Register(t.Context(), &part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
					for _, name := range []string{"p", "q", "r"} {
						err := r.AddRawTool(&mcp.Tool{Name: name, InputSchema: map[string]any{"type": "object"}},
							func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil },
							plugin.Access{When: func(plugin.Client) bool { bad(leave); return true }})
						if err != nil {
							return err
						}
					}
					return nil
				}}))
				began := time.Now()
				for range 3 {
					for _, f := range h.features {
						if f.Access.When(plugin.Client{}) {
							t.Error("shown")
						}
					}
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Error("took", took)
				}
				close(leave)
				synctest.Wait()
				if s, _ := m.Status("p"); s.Panics == 0 || name == "hang" && s.Panics != 1 {
					t.Errorf("%+v", s)
				}
				bad = func(chan struct{}) {}
				if !h.features["p"].Access.When(plugin.Client{}) {
					t.Error("it stays hidden")
				}
			})
		})
	}
}

// Wrong types: what the compiler cannot see.
func TestFault_WrongTypesAreMistakes(t *testing.T) {
	object := map[string]any{"type": "object"}
	nothing := func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil }
	for name, c := range map[string]struct {
		p    plugin.Plugin
		says []string
	}{
		"a schema that does not encode": {&part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			return r.AddRawTool(&mcp.Tool{Name: "x", InputSchema: make(chan int)}, nothing)
		}}, []string{`tool "x": InputSchema`}},
		"a schema that panics": {&part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			return r.AddRawTool(&mcp.Tool{Name: "x", InputSchema: panics{}}, nothing)
		}}, []string{"panic in Register"}},
		"nil handlers": {&part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			_, _, _, _ = r.AddRawTool(&mcp.Tool{Name: "x", InputSchema: object}, nil), r.AddRawPrompt(nil, nil), r.AddRawResource(nil, nil), r.AddRawResourceTemplate(nil, nil)
			return nil // what it ignores is told all the same
		}}, []string{"nil tool or handler", "nil prompt or handler", "nil resource or handler", "nil template or handler"}},
		"a feature of no kind": {&part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error { return r.AddFeature(plugin.Feature{}) }}, []string{"no definition"}},
		"a feature of two kinds": {&part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			return r.AddFeature(plugin.Feature{Kind: plugin.KindPrompt, Tool: &mcp.Tool{Name: "x"}})
		}}, []string{"no definition"}},
		"completions of nothing":   {&part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error { return r.CompletePrompt("x", "y", nil) }}, []string{"register it before"}},
		"a setup in a setup":       {plugin.Setup{Plugin: plugin.Setup{Plugin: &part{name: "p", version: "1.0.0"}}}, []string{"a Setup in a Setup"}},
		"no middleware":            {&intercepting{part{name: "p", version: "1.0.0"}, nil}, []string{"Middleware: returned nil"}},
		"middleware of nothing":    {&intercepting{part{name: "p", version: "1.0.0", register: tools("", "x")}, func(mcp.MethodHandler) mcp.MethodHandler { return nil }}, []string{"returned a nil handler"}},
		"no configuration":         {&configured{part{name: "p", version: "1.0.0"}, nil}, []string{"not a pointer to a struct"}},
		"a configuration of text":  {&configured{part{name: "p", version: "1.0.0"}, "x"}, []string{"returned a string, not a pointer to a struct"}},
		"a configuration for none": {plugin.Setup{Plugin: &part{name: "p", version: "1.0.0"}, Config: []byte("a: 1")}, []string{"takes none"}},
		"what it does not introduce": {&introducing{part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
			return r.AddRawTool(&mcp.Tool{Name: "x", InputSchema: object}, nothing, plugin.Access{Require: []string{"read:a", "read:b"}, Tags: []string{"a", "b"}})
		}}}, []string{`permission "read:b"`, `toolset "b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			m, h := newManager(t, plugin.Options{})
			err := m.Register(t.Context(), c.p)
			fails(t, err, mcperrors.Validation, c.says...)
			if len(m.List()) != 0 || h.swaps != 0 {
				t.Error("left behind")
			}
		})
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("oh no") }

type intercepting struct {
	part
	mw mcp.Middleware
}

func (p *intercepting) Middleware() mcp.Middleware { return p.mw }

type configured struct {
	part
	config any
}

func (p *configured) Config() any { return p.config }

type introducing struct{ part }

func (*introducing) Permissions() []plugin.Permission { return []plugin.Permission{{Name: "read:a"}} }
func (*introducing) Toolsets() []plugin.Toolset       { return []plugin.Toolset{{Name: "a"}} }

func TestRegistrar_IsGoodUntilRegisterReturns(t *testing.T) {
	m, h := newManager(t, plugin.Options{})
	var kept *plugin.Registrar
	must(t, m.Register(t.Context(), &part{name: "p", version: "1.0.0", register: func(r *plugin.Registrar) error {
		kept = r
		return nil
	}}))
	if err := tools("", "late")(kept); err == nil || h.names() != "" {
		t.Error(err, h.names())
	}
}

func TestMiddleware_IsForThePluginsOwnCallsAndMayNotChangeTheirTypes(t *testing.T) {
	m, h := newManager(t, plugin.Options{})
	another(t, m)
	var saw []string
	mw := func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			name := req.(*mcp.CallToolRequest).Params.Name
			saw = append(saw, method+" "+name)
			switch name {
			case "refused":
				return nil, mcperrors.Errorf(mcperrors.Conflict, "no")
			case "result":
				return &mcp.GetPromptResult{}, nil
			case "request":
				return next(ctx, method, &mcp.GetPromptRequest{})
			}
			return next(ctx, method, req)
		}
	}
	must(t, m.Register(t.Context(), &intercepting{part{name: "p", version: "1.0.0", register: tools("mine", "mine", "refused", "result", "request")}, mw}))
	wellBeing(t, h)
	if text, err := h.call(t.Context(), "mine"); text != "mine" || err != nil {
		t.Error(text, err)
	}
	_, err := h.call(t.Context(), "refused")
	fails(t, err, mcperrors.Conflict)
	_, err = h.call(t.Context(), "result")
	fails(t, err, mcperrors.Internal, "made the result a *mcp.GetPromptResult")
	_, err = h.call(t.Context(), "request")
	fails(t, err, mcperrors.Internal, "made the request a")
	if got := strings.Join(saw, ", "); got != "tools/call mine, tools/call refused, tools/call result, tools/call request" {
		t.Error(got)
	}
}

// The server sends what it gets after all of its own middleware.
func TestMiddleware_MayNotMakeResultsThatCannotBeSent(t *testing.T) {
	m, h := newManager(t, plugin.Options{})
	var made *mcp.CallToolResult
	mw := func(mcp.MethodHandler) mcp.MethodHandler {
		return func(context.Context, string, mcp.Request) (mcp.Result, error) { return made, nil }
	}
	must(t, m.Register(t.Context(), &intercepting{part{name: "p", version: "1.0.0", register: tools("mine", "mine")}, mw}))
	call := func() (*mcp.CallToolResult, error) {
		return h.features["mine"].CallTool(t.Context(), &mcp.CallToolRequest{})
	}
	if res, err := call(); res == nil || err != nil {
		t.Error(res, err)
	}
	made = &mcp.CallToolResult{StructuredContent: make(chan int)}
	if res, err := call(); err == nil {
		t.Error(res)
	}
}

var errUnwell = errors.New("no disk")

func TestCheck_SaysAllThatIsNotWell(t *testing.T) {
	m, _ := newManager(t, plugin.Options{})
	bad := func(context.Context) error { return errUnwell }
	must(t, m.Register(t.Context(), &part{name: "a", version: "1.0.0", check: bad}, &part{name: "b", version: "1.0.0"}, &part{name: "c", version: "1.0.0", check: bad}))
	err := m.Check(t.Context())
	if !errors.Is(err, errUnwell) || strings.Count(err.Error(), "no disk") != 2 {
		t.Error(err)
	}
	must(t, m.Disable(t.Context(), "a", ""))
	must(t, m.Disable(t.Context(), "c", ""))
	must(t, m.Check(t.Context()))
}
