package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

// viewServer has tools that read and write, of three toolsets, and one thing of
// each other kind.
func viewServer(t *testing.T, opts server.Options) *server.Server {
	t.Helper()
	srv, _ := newServer(t, opts)
	for _, x := range []server.Tool{
		{Name: "read", ReadOnly: true, Tags: []string{"notes"}},
		{Name: "write", Tags: []string{"notes"}, Aliases: []string{"save", "store"}},
		{Name: "drop", Tags: []string{"admin", "notes"}},
		{Name: "plain", ReadOnly: true},
	} {
		x.Description = "A tool."
		mustAdd(t, server.AddTool(srv, x, func(context.Context, none) (string, error) { return "ran " + x.Name, nil }))
	}
	mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: "ask", Description: "A prompt.", Tags: []string{"notes"}},
		func(context.Context, none) (string, error) { return "hi", nil }))
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "notes://1", Name: "one", Tags: []string{"notes"}},
		func(context.Context) (string, error) { return "text", nil }))
	mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "notes://{owner}/{id}", Name: "any", Tags: []string{"admin"}},
		func(context.Context, note) (string, error) { return "text", nil }))
	return srv
}

func TestView_ShowsAPartInListsAndCallsAlike(t *testing.T) {
	all := []string{"read", "write", "drop", "plain"}
	for name, c := range map[string]struct {
		view                      server.View
		tools                     string
		prompt, resource, pattern bool
	}{
		"all":             {server.View{}, "drop plain read write", true, true, true},
		"read-only":       {server.View{ReadOnly: true}, "plain read", true, true, true},
		"a toolset":       {server.View{Tags: []string{"notes"}}, "drop read write", true, true, false},
		"toolsets":        {server.View{Tags: []string{"notes", "admin"}}, "drop read write", true, true, true},
		"without one":     {server.View{WithoutTags: []string{"admin"}}, "plain read write", true, true, false},
		"with and not":    {server.View{Tags: []string{"notes"}, WithoutTags: []string{"admin"}}, "read write", true, true, false},
		"names":           {server.View{Names: []string{"r*", "drop"}}, "drop read", false, false, false},
		"not these names": {server.View{WithoutNames: []string{"*r*"}}, "plain", true, true, false},
		"URIs":            {server.View{Names: []string{"notes://*"}}, "", false, true, true},
		"nothing":         {server.View{Names: []string{"none"}}, "", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			operator := viewServer(t, server.Options{View: c.view})
			caller := viewServer(t, server.Options{ViewFor: func(context.Context, mcp.Request) server.View { return c.view }})
			later := viewServer(t, server.Options{Policy: policyOf(t, auth.PolicySpec{Anonymous: []string{"*"}})})
			later.SetView(c.view)
			for _, srv := range []*server.Server{operator, caller, later} {
				url := serveHTTP(t, srv)
				for _, version := range eras {
					p := newPeer(t, url, version, "")
					if got, _ := p.list(t, "tools/list"); got != c.tools {
						t.Errorf("%s: %q, want %q", version, got, c.tools)
					}
					for _, tool := range all {
						got := p.ask(t, "tools/call", `"name":"`+tool+`","arguments":{}`, tool)
						if want := strings.Contains(" "+c.tools+" ", " "+tool+" "); strings.Contains(got, "ran ") != want {
							t.Errorf("%s %s: %s", version, tool, got)
						}
					}
					prompts, _ := p.list(t, "prompts/list")
					resources, _ := p.list(t, "resources/list")
					templates, _ := p.list(t, "resources/templates/list")
					if got := fmt.Sprint(prompts != "", resources != "", templates != ""); got != fmt.Sprint(c.prompt, c.resource, c.pattern) {
						t.Errorf("%s: prompt, resource, template are listed: %s", version, got)
					}
					for _, r := range []struct {
						method, members, name string
						shown                 bool
					}{
						{"prompts/get", `"name":"ask"`, "ask", c.prompt},
						{"resources/read", `"uri":"notes://1"`, "notes://1", c.resource},
						{"completion/complete", `"ref":{"type":"ref/prompt","name":"ask"},"argument":{"name":"a","value":""}`, "", c.prompt},
						{"completion/complete", `"ref":{"type":"ref/resource","uri":"notes://{owner}/{id}"},"argument":{"name":"id","value":""}`, "", c.pattern},
					} {
						if got := p.ask(t, r.method, r.members, r.name); strings.Contains(got, `"result":`) != r.shown {
							t.Errorf("%s %s: %s", version, r.members, got)
						}
					}
				}
			}
		})
	}
}

func TestView_WhatIsNotShownAnswersLikeWhatDoesNotExist(t *testing.T) {
	url := serveHTTP(t, viewServer(t, server.Options{View: server.View{Names: []string{"read"}}}))
	for _, version := range eras {
		p := newPeer(t, url, version, "")
		for _, r := range []struct{ method, members, hidden, absent string }{
			{"tools/call", `"name":"%s","arguments":{}`, "write", "wrote"},
			{"tools/call", `"name":"%s","arguments":{}`, "save", "sAve"},
			{"prompts/get", `"name":"%s"`, "ask", "axe"},
			{"resources/read", `"uri":"%s"`, "notes://1", "nopes://1"},
			{"resources/read", `"uri":"%s"`, "notes://a/1", "nopes://a/1"},
		} {
			hidden := p.ask(t, r.method, fmt.Sprintf(r.members, r.hidden), r.hidden)
			absent := p.ask(t, r.method, fmt.Sprintf(r.members, r.absent), r.absent)
			if strings.ReplaceAll(hidden, r.hidden, r.absent) != absent || !strings.Contains(hidden, "not_found") {
				t.Errorf("%s:\nhidden %s\nabsent %s", version, hidden, absent)
			}
		}
	}
}

func TestViewFromHeader_LetsEachCallerChooseOnOneServer(t *testing.T) {
	srv := viewServer(t, server.Options{ViewFor: server.ViewFromHeader, View: server.View{WithoutNames: []string{"drop"}}})
	url := serveHTTP(t, srv)
	for _, version := range eras {
		for want, header := range map[string]map[string]string{
			"plain read write": nil,
			"read write":       {"X-MCP-Toolsets": "notes, admin"},
			"read":             {"X-MCP-Toolsets": "notes", "X-MCP-Readonly": "True"},
			"plain":            {"X-MCP-Tools": "p*,drop"},
		} {
			p := newPeer(t, url, version, "")
			p.header = header
			if got, _ := p.list(t, "tools/list"); got != want {
				t.Errorf("%s %v: %q", version, header, got)
			}
			if got := p.ask(t, "tools/call", `"name":"write","arguments":{}`, "write"); strings.Contains(got, "ran") != strings.Contains(want, "write") {
				t.Errorf("%s %v: %s", version, header, got)
			}
		}
	}
	c := mcptest.New(t, srv, mcptest.OverStdio())
	c.Call("write", nil).OK()
}

func TestView_APanicHides(t *testing.T) {
	broken := viewServer(t, server.Options{ViewFor: func(context.Context, mcp.Request) server.View { panic("oops") }})
	p := newPeer(t, serveHTTP(t, broken), eras[1], "")
	if names, _ := p.list(t, "tools/list"); names != "" {
		t.Errorf("listed: %s", names)
	}
	if got := p.ask(t, "tools/call", `"name":"read","arguments":{}`, "read"); !strings.Contains(got, "unknown tool") {
		t.Error(got)
	}
}

func TestTool_WhenSaysForWhichClientsThereIsOne(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	for name, when := range map[string]func(server.Client) bool{
		"all": nil, "modern": func(c server.Client) bool { return c.Modern }, "legacy": func(c server.Client) bool { return !c.Modern },
		"asking": func(c server.Client) bool { return c.Capabilities.Elicitation != nil }, "broken": func(server.Client) bool { panic("oops") },
	} {
		mustAdd(t, server.AddTool(srv, server.Tool{Name: name, Description: "A tool.", When: when},
			func(context.Context, none) (string, error) { return "ran", nil }))
	}
	elicits := &mcp.ClientOptions{ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) { return nil, nil }}
	for want, opts := range map[string][]mcptest.Option{
		"all modern":        {mcptest.OverHTTP()},
		"all legacy":        {mcptest.OverHTTP(), mcptest.Legacy()},
		"all asking modern": {mcptest.OverHTTP(), mcptest.WithClient(elicits)},
		"all asking legacy": {mcptest.OverHTTP(), mcptest.Legacy(), mcptest.WithClient(elicits)},
	} {
		c := mcptest.New(t, srv, opts...)
		tools, err := c.ListTools(t.Context(), nil)
		mustAdd(t, err)
		var names []string
		for _, tool := range tools.Tools {
			names = append(names, tool.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		for _, name := range []string{"all", "modern", "legacy", "asking", "broken"} {
			if call := c.Call(name, nil); (call.Err == nil) != strings.Contains(want, name) {
				t.Errorf("%s: %v", name, call.Err)
			}
		}
	}
}

func TestTool_AliasesAreCalledAndNotListed(t *testing.T) {
	srv := viewServer(t, server.Options{
		Auth: roleGuard(t), Policy: policyOf(t, auth.PolicySpec{Roles: map[string][]string{"w": {"execute:tools:write"}, "s": {"execute:tools:save"}}}),
	})
	url := serveHTTP(t, srv)
	for _, version := range eras {
		for token, ran := range map[string]bool{"a/w/": true, "a/s/": false, "a//": false} {
			p := newPeer(t, url, version, token)
			for _, name := range []string{"write", "save", "store"} {
				if got := p.ask(t, "tools/call", `"name":"`+name+`","arguments":{}`, name); strings.Contains(got, "ran write") != ran {
					t.Errorf("%s %s %s: %s", version, token, name, got)
				}
			}
			if names, _ := p.list(t, "tools/list"); strings.Contains(names, "sa") || strings.Contains(names, "st") {
				t.Errorf("listed: %s", names)
			}
		}
	}
	srv.RemoveTools("write")
	if got := newPeer(t, url, eras[1], "a/w/").ask(t, "tools/call", `"name":"save","arguments":{}`, "save"); !strings.Contains(got, "unknown tool") {
		t.Error(got)
	}
	mustAdd(t, server.AddTool(srv, server.Tool{Name: "save", Description: "d"}, func(context.Context, none) (string, error) { return "", nil }))
}

func TestThreat36_TwoOfOneNameAreAnErrorAndTheFirstStays(t *testing.T) {
	srv := viewServer(t, server.Options{})
	run := func(context.Context, none) (string, error) { return "second", nil }
	for _, x := range []server.Tool{
		{Name: "read"},
		{Name: "save"},
		{Name: "new1", Aliases: []string{"write"}},
		{Name: "new2", Aliases: []string{"store"}},
		{Name: "new3", Aliases: []string{"new3"}},
		{Name: "new4", Aliases: []string{"x", "x"}},
		{Name: "new5", Aliases: []string{"a b"}},
	} {
		x.Description = "A tool."
		if err := server.AddTool(srv, x, run); err == nil {
			t.Errorf("%s was registered", x.Name)
		}
	}
	second := func(context.Context) (string, error) { return "second", nil }
	for what, err := range map[string]error{
		"prompt":   server.AddPrompt(srv, server.Prompt{Name: "ask", Description: "d"}, run),
		"resource": server.AddResource(srv, server.Resource{URI: "notes://1", Name: "n"}, second),
		"template": server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "notes://{owner}/{id}", Name: "n"},
			func(context.Context, note) (string, error) { return "second", nil }),
	} {
		if err == nil || !strings.Contains(err.Error(), "registered twice") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := srv.Handler(); err == nil {
		t.Error("it is served")
	}
	c := mcptest.New(t, srv)
	for name, want := range map[string]string{"read": "ran read", "save": "ran write", "store": "ran write"} {
		if got := c.Call(name, nil).OK().Text(); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestView_NoneLeavesCursorsAlone(t *testing.T) {
	srv := viewServer(t, server.Options{PageSize: 1})
	p := newPeer(t, serveHTTP(t, srv), eras[1], "")
	if got := p.ask(t, "tools/list", `"cursor":"`+sdkCursorFor("plain")+`"`, ""); !strings.Contains(got, `"read"`) {
		t.Errorf("other replicas' cursors do not count: %s", got)
	}
}
