package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

type note struct {
	Owner string `json:"owner"`
	ID    string `json:"id"`
}

// housePolicy: members may use what starts with "open", and "half" things for
// which they lack something.
var housePolicy = auth.PolicySpec{
	Roles: map[string][]string{
		"member": {
			"execute:tools:open*", "execute:tools:half*", "read:prompts:open*", "read:prompts:half*",
			"read:resources:notes://open*", "read:resources:notes://half*", "read:resources:notes://{owner}/*", "read:resources:half:*",
		},
		"admin": {"*"},
	},
	Scopes: map[string][]string{"use.it": {"execute:tools:shu*", "read:resources:notes://lock*"}},
}

// houseServer has of everything what a member may use, what nobody granted, what
// needs a role more ("halfadmin") and what needs a scope more ("halfscope").
func houseServer(t *testing.T, opts server.Options) *server.Server {
	t.Helper()
	opts.Auth = roleGuard(t)
	if opts.Policy == nil {
		opts.Policy = policyOf(t, housePolicy)
	}
	srv, _ := newServer(t, opts)
	admin, scope := []string{"admin:access"}, []string{"mfa", "notes.all"}
	for _, x := range []struct {
		name           string
		require, scope []string
	}{{"open1", nil, nil}, {"open2", nil, nil}, {"secret", nil, nil}, {"halfadmin", admin, nil}, {"halfscope", nil, scope}, {"shut", nil, nil}} {
		mustAdd(t, server.AddTool(srv, server.Tool{Name: x.name, Description: "A tool.", Require: x.require, RequireScopes: x.scope},
			func(context.Context, none) (string, error) { return "ran", nil }))
		mustAdd(t, server.AddPrompt(srv, server.Prompt{Name: x.name, Description: "A prompt.", Require: x.require, RequireScopes: x.scope},
			func(context.Context, struct {
				A string `json:"a,omitempty"`
			},
			) (string, error) {
				return "hi", nil
			}))
		mustAdd(t, srv.CompletePrompt(x.name, "a", func(context.Context, string, map[string]string) ([]string, error) { return []string{"v"}, nil }))
		mustAdd(t, server.AddResource(srv, server.Resource{URI: "notes://" + x.name, Name: x.name, Require: x.require, RequireScopes: x.scope},
			func(context.Context) (string, error) { return "text", nil }))
	}
	for uri, require := range map[string][]string{"notes://{owner}/{id}": nil, "lock://{owner}/{id}": nil, "half://{owner}/{id}": admin} {
		mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: uri, Name: uri, Require: require},
			func(context.Context, note) (string, error) { return "text", nil }))
		mustAdd(t, srv.CompleteResourceTemplate(uri, "id", func(context.Context, string, map[string]string) ([]string, error) { return []string{"v"}, nil }))
	}
	return srv
}

const member = "ann/member/"

func TestPolicy_ListsShowWhatMayBeUsed(t *testing.T) {
	url := serveHTTP(t, houseServer(t, server.Options{}))
	for _, version := range eras {
		for token, want := range map[string]map[string]string{
			member: {
				"tools/list": "halfscope open1 open2", "prompts/list": "halfscope open1 open2", "resources/list": "halfscope open1 open2",
				"resources/templates/list": "notes://{owner}/{id}",
			},
			"bob/admin/mfa+notes.all": {
				"tools/list": "halfadmin halfscope open1 open2 secret shut", "prompts/list": "halfadmin halfscope open1 open2 secret shut",
				"resources/list":           "halfadmin halfscope open1 open2 secret shut",
				"resources/templates/list": "half://{owner}/{id} lock://{owner}/{id} notes://{owner}/{id}",
			},
			"eve/guest/": {"tools/list": "", "prompts/list": "", "resources/list": "", "resources/templates/list": ""},
			"joe//use.it": {
				"tools/list": "shut", "prompts/list": "", "resources/list": "", "resources/templates/list": "",
			},
		} {
			p := newPeer(t, url, version, token)
			for method, names := range want {
				if got, _ := p.list(t, method); got != names {
					t.Errorf("%s %s %s: %q, want %q", version, token, method, got, names)
				}
			}
		}
	}
}

// TestThreat33 compares, to the byte, each road to a thing that is hidden with
// the same road to one that there is not, of the same length.
func TestThreat33_WhatIsHiddenAnswersLikeWhatDoesNotExist(t *testing.T) {
	url := serveHTTP(t, houseServer(t, server.Options{}))
	roads := []struct{ method, members, hidden, absent string }{
		{"tools/call", `"name":"%s","arguments":{}`, "secret", "absent"},
		{"tools/call", `"name":"%s","arguments":{}`, "halfadmin", "half_none"},
		{"tools/call", `"name":"%s","arguments":{"bad":1}`, "halfadmin", "half_none"},
		{"tools/call", `"name":"%s","arguments":{}`, "shut", "shuu"},
		{"prompts/get", `"name":"%s"`, "secret", "absent"},
		{"prompts/get", `"name":"%s"`, "halfadmin", "half_none"},
		{"resources/read", `"uri":"%s"`, "notes://secret", "notes://absent"},
		{"resources/read", `"uri":"%s"`, "notes://halfadmin", "notes://half_none"},
		{"resources/read", `"uri":"%s"`, "lock://ann/1", "lick://ann/1"},
		{"resources/read", `"uri":"%s"`, "notes://ann/1", "nopes://ann/1"}, // the template is seen, not this part of it
		{"resources/read", `"uri":"%s"`, "half://ann/1", "half:/nannn/"},
		{"resources/read", `"uri":"%s"`, "NOTES://open1", "NOTES://nopen"},
		{"resources/subscribe", `"uri":"%s"`, "notes://secret", "notes://absent"},
		{"resources/subscribe", `"uri":"%s"`, "notes://halfadmin", "notes://half_none"},
		{"subscriptions/listen", `"notifications":{"resourceSubscriptions":["%s"]}`, "notes://secret", "notes://absent"},
		{"subscriptions/listen", `"notifications":{"resourceSubscriptions":["%s"]}`, "notes://halfadmin", "notes://half_none"},
		{"subscriptions/listen", `"notifications":{"resourceSubscriptions":["notes://open1","%s"]}`, "notes://secret", "notes://absent"},
		{"subscriptions/listen", `"notifications":{"resourceSubscriptions":["notes://half_zero","%s"]}`, "notes://halfadmin", "notes://half_none"},
		{"subscriptions/listen", `"notifications":{"resourceSubscriptions":["notes://half_zero","%s"]}`, "notes://secret", "notes://absent"},
		{"completion/complete", `"ref":{"type":"ref/prompt","name":"%s"},"argument":{"name":"a","value":""}`, "secret", "absent"},
		{"completion/complete", `"ref":{"type":"ref/prompt","name":"%s"},"argument":{"name":"a","value":""}`, "halfadmin", "half_none"},
		{"completion/complete", `"ref":{"type":"ref/resource","uri":"%s"},"argument":{"name":"id","value":""}`, "lock://{owner}/{id}", "lick://{owner}/{id}"},
		{"completion/complete", `"ref":{"type":"ref/resource","uri":"%s"},"argument":{"name":"id","value":""}`, "half://{owner}/{id}", "half://{nwner}/{id}"},
		{"completion/complete", `"ref":{"type":"ref/resource","uri":"%s"},"argument":{"name":"id","value":""}`, "notes://secret", "notes://absent"},
	}
	for _, version := range eras {
		p := newPeer(t, url, version, member)
		for _, r := range roads {
			if (r.method == "subscriptions/listen") != (version == "2026-07-28") && (r.method == "subscriptions/listen" || r.method == "resources/subscribe") {
				continue // not of this era
			}
			name := func(s string) string {
				if r.method == "completion/complete" || strings.HasPrefix(r.method, "subscriptions") {
					return ""
				}
				return s
			}
			hidden := p.ask(t, r.method, fmt.Sprintf(r.members, r.hidden), name(r.hidden))
			absent := p.ask(t, r.method, fmt.Sprintf(r.members, r.absent), name(r.absent))
			if got := strings.ReplaceAll(hidden, r.hidden, r.absent); got != absent {
				t.Errorf("%s %s:\nhidden %s\nabsent %s", version, r.method, hidden, absent)
			}
			if strings.Contains(hidden, `"result":`) || !strings.Contains(hidden, `"error":`) {
				t.Errorf("%s %s is no error: %s", version, r.method, hidden)
			}
			if !strings.Contains(hidden, "not_found") && r.hidden != "shut" {
				t.Errorf("%s %s is not said to be absent: %s", version, r.method, hidden)
			}
		}
	}
}

func TestPolicy_WhatIsAllowedIsServedOnEveryRoad(t *testing.T) {
	url := serveHTTP(t, houseServer(t, server.Options{}))
	for _, version := range eras {
		p := newPeer(t, url, version, member)
		for _, r := range []struct{ method, members, name string }{
			{"tools/call", `"name":"open1","arguments":{}`, "open1"},
			{"prompts/get", `"name":"open1"`, "open1"},
			{"resources/read", `"uri":"notes://open1"`, "notes://open1"},
			{"resources/read", `"uri":"notes://open/7"`, "notes://open/7"},
			{"completion/complete", `"ref":{"type":"ref/prompt","name":"open1"},"argument":{"name":"a","value":""}`, ""},
			{"completion/complete", `"ref":{"type":"ref/resource","uri":"notes://{owner}/{id}"},"argument":{"name":"id","value":""}`, ""},
		} {
			if got := p.ask(t, r.method, r.members, r.name); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, `"result":`) {
				t.Errorf("%s %s: %s", version, r.method, got)
			}
		}
	}
	legacy := newPeer(t, url, eras[0], member)
	if got := legacy.ask(t, "resources/subscribe", `"uri":"notes://open1"`, ""); !strings.Contains(got, `"result":{}`) {
		t.Errorf("subscribe: %s", got)
	}
	modern := newPeer(t, url, eras[1], member)
	res := modern.send(t, "subscriptions/listen", `"notifications":{"resourceSubscriptions":["notes://open1"],"toolsListChanged":true}`, "")
	defer res.Body.Close()
	buf := make([]byte, 512)
	n, err := io.ReadAtLeast(res.Body, buf, 20)
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("listen: %d %v %s", res.StatusCode, err, buf[:n])
	}
}

func TestThreat30_AMissingScopeIs403AndNamesAllScopes(t *testing.T) {
	url := serveHTTP(t, houseServer(t, server.Options{}))
	for _, version := range eras {
		for _, r := range []struct{ token, method, members, name, scope string }{
			{member, "tools/call", `"name":"halfscope","arguments":{}`, "halfscope", "mfa notes.all"},
			{"ann/member/mfa", "tools/call", `"name":"halfscope","arguments":{}`, "halfscope", "mfa notes.all"},
			{member, "prompts/get", `"name":"halfscope"`, "halfscope", "mfa notes.all"},
			{member, "resources/read", `"uri":"notes://halfscope"`, "notes://halfscope", "mfa notes.all"},
			{member, "tools/call", `"name":"shut","arguments":{}`, "shut", "use.it"},
		} {
			got := newPeer(t, url, version, r.token).ask(t, r.method, r.members, r.name)
			want := `403 Bearer error="insufficient_scope", scope="` + r.scope + `"`
			if !strings.HasPrefix(got, want) || !strings.Contains(got, `"code":403`) {
				t.Errorf("%s %s: %s", version, r.method, got)
			}
		}
		for _, tool := range []string{"halfscope", "shut"} {
			p := newPeer(t, url, version, "ann/member/mfa+notes.all+use.it")
			if got := p.ask(t, "tools/call", `"name":"`+tool+`","arguments":{}`, tool); !strings.Contains(got, "ran") {
				t.Errorf("%s: %s", version, got)
			}
		}
	}
}

func TestThreat30_AMissingRoleIs403WithoutAChallenge(t *testing.T) {
	policy := policyOf(t, auth.PolicySpec{Authenticated: []string{"execute:tools"}, Roles: map[string][]string{"admin": {"write:resources"}}})
	srv, _ := newServer(t, server.Options{Auth: roleGuard(t), Policy: policy})
	mustAdd(t, server.AddTool(srv, tool("write"), func(ctx context.Context, in struct {
		URI string `json:"uri"`
	},
	) (string, error) {
		return "written", policy.Check(ctx, auth.Action{Verb: auth.Write, Kind: auth.Resources, Name: in.URI})
	}))
	url := serveHTTP(t, srv)
	for _, version := range eras {
		got := newPeer(t, url, version, "ann//").ask(t, "tools/call", `"name":"write","arguments":{"uri":"notes://1"}`, "write")
		if !strings.HasPrefix(got, "403 \n") || !strings.Contains(got, "not permitted") || strings.Contains(got, "admin") || strings.Contains(got, "ann") {
			t.Errorf("%s: %s", version, got)
		}
		if got := newPeer(t, url, version, "ann/admin/").ask(t, "tools/call", `"name":"write","arguments":{"uri":"notes://1"}`, "write"); !strings.Contains(got, "written") {
			t.Errorf("%s: %s", version, got)
		}
	}
}

func TestThreat32_LookAlikesAreNotFound(t *testing.T) {
	url := serveHTTP(t, houseServer(t, server.Options{}))
	for _, version := range eras {
		for _, token := range []string{member, "bob/admin/"} {
			p := newPeer(t, url, version, token)
			for _, name := range []string{"Open1", "open1 ", " open1", "open1\u200b", "оpen1", "open1/", "open1.", "secret\u00a0"} {
				quoted, _ := json.Marshal(name)
				var header string
				if strings.TrimFunc(name, func(r rune) bool { return r > ' ' && r < 0x7f }) == "" {
					header = name
				} else {
					header = "=?base64?" + base64Of(name) + "?="
				}
				got := p.ask(t, "tools/call", `"name":`+string(quoted)+`,"arguments":{}`, header)
				if !strings.Contains(got, "unknown tool") || strings.Contains(got, "ran") {
					t.Errorf("%s %s %q: %s", version, token, name, got)
				}
			}
			if got := p.ask(t, "Tools/Call", `"name":"open1","arguments":{}`, ""); !strings.Contains(got, "-32601") {
				t.Errorf("%s: %s", version, got)
			}
		}
	}
}

func TestPolicy_PagesAreThoseOfTheCallerAndCursorsAreSealed(t *testing.T) {
	policy := policyOf(t, auth.PolicySpec{Roles: map[string][]string{
		"some": {"execute:tools:*3", "execute:tools:*7"}, "last": {"execute:tools:t-29"}, "three": {"execute:tools:t-0*"},
	}})
	srv := houseServer(t, server.Options{Policy: policy, PageSize: 3})
	for n := range 30 {
		mustAdd(t, server.AddTool(srv, tool(fmt.Sprintf("t-%02d", n)), func(context.Context, none) (string, error) { return "", nil }))
	}
	url := serveHTTP(t, srv)
	for _, version := range eras {
		for token, want := range map[string][2]string{
			"a/some/":  {"t-03 t-07 t-13 t-17 t-23 t-27", "3 3"},
			"a/last/":  {"t-29", "1"},
			"a/none/":  {"", "0"},
			"a/three/": {"t-00 t-01 t-02 t-03 t-04 t-05 t-06 t-07 t-08 t-09", "3 3 3 1"},
		} {
			names, pages := newPeer(t, url, version, token).list(t, "tools/list")
			if names != want[0] || pages != want[1] {
				t.Errorf("%s %s: %q in pages of %q", version, token, names, pages)
			}
		}
	}
	ann, bob := newPeer(t, url, eras[1], "ann/some/"), newPeer(t, url, eras[1], "bob/some/")
	res := ann.send(t, "tools/list", "", "")
	var answer struct{ Result struct{ NextCursor string } }
	mustAdd(t, json.NewDecoder(res.Body).Decode(&answer))
	_ = res.Body.Close()
	cursor := answer.Result.NextCursor
	if got := ann.ask(t, "tools/list", `"cursor":"`+cursor+`"`, ""); !strings.Contains(got, "t-17") {
		t.Fatalf("its own cursor: %s", got)
	}
	if regexp.MustCompile(`t-\d\d`).MatchString(decoded(cursor)) { // "t-" alone comes by chance
		t.Errorf("the cursor can be read: %q", decoded(cursor))
	}
	flipped := cursor[:20] + string('A'+'B'-rune(cursor[20]&1)-'A'+'A') + cursor[21:]
	plain := sdkCursorFor("t-10")
	for what, got := range map[string]string{
		"of another caller": bob.ask(t, "tools/list", `"cursor":"`+cursor+`"`, ""),
		"of another list":   ann.ask(t, "prompts/list", `"cursor":"`+cursor+`"`, ""),
		"changed":           ann.ask(t, "tools/list", `"cursor":"`+flipped+`"`, ""),
		"go-sdk's":          ann.ask(t, "tools/list", `"cursor":"`+plain+`"`, ""),
		"made up":           ann.ask(t, "tools/list", `"cursor":"x"`, ""),
	} {
		if !strings.Contains(got, "-32602") || !strings.Contains(got, "the cursor is not valid here") {
			t.Errorf("a cursor that is %s: %s", what, got)
		}
	}
}

func TestPolicy_AnEmptyListIsAListAndNothingIsSharedOnTheWay(t *testing.T) {
	srv := houseServer(t, server.Options{SDK: func(o *mcp.ServerOptions) {
		o.SetCacheable = func(_ context.Context, _ mcp.Request, c *mcp.Cacheable) { c.CacheScope = "public" }
	}})
	url := serveHTTP(t, srv)
	for _, version := range eras {
		p := newPeer(t, url, version, "eve/guest/")
		for method, empty := range map[string]string{
			"tools/list": `"tools":[]`, "prompts/list": `"prompts":[]`, "resources/list": `"resources":[]`, "resources/templates/list": `"resourceTemplates":[]`,
		} {
			if got := p.ask(t, method, "", ""); !strings.Contains(got, empty) || strings.Contains(got, "public") {
				t.Errorf("%s: %s", version, got)
			}
		}
		got := newPeer(t, url, version, member).ask(t, "resources/read", `"uri":"notes://open1"`, "notes://open1")
		if !strings.Contains(got, `"text":"text"`) || strings.Contains(got, "public") {
			t.Errorf("%s: %s", version, got)
		}
	}
}

func TestPolicy_FilteredListsLeaveTheOthersAlone(t *testing.T) {
	url := serveHTTP(t, houseServer(t, server.Options{}))
	for range 3 {
		for token, want := range map[string]string{
			member: "halfscope open1 open2", "bob/admin/": "halfadmin halfscope open1 open2 secret shut", "eve//": "",
		} {
			for _, version := range eras {
				if got, _ := newPeer(t, url, version, token).list(t, "tools/list"); got != want {
					t.Errorf("%s: %q", token, got)
				}
			}
		}
	}
}

func TestPolicy_StdioIsTheLocalCaller(t *testing.T) {
	for name, spec := range map[string]auth.PolicySpec{
		"denied":  {Roles: map[string][]string{"local": {"*"}}, Anonymous: []string{"*"}, Authenticated: []string{"*"}},
		"allowed": {Local: []string{"*"}},
	} {
		srv, _ := newServer(t, server.Options{Policy: policyOf(t, spec)})
		mustAdd(t, server.AddTool(srv, server.Tool{Name: "x", Description: "A tool.", RequireScopes: []string{"s"}},
			func(context.Context, none) (string, error) { return "ran", nil }))
		c := mcptest.New(t, srv, mcptest.OverStdio(), mcptest.As(auth.Local()))
		tools, err := c.ListTools(t.Context(), nil)
		mustAdd(t, err)
		if call := c.Call("x", nil); (call.Err == nil) != (name == "allowed") || (len(tools.Tools) == 1) != (name == "allowed") {
			t.Errorf("%s: %v, %d tools", name, call.Err, len(tools.Tools))
		}
	}
}

func TestPolicy_MethodsOfYourOwnAreDeniedByDefault(t *testing.T) {
	srv, _ := newServer(t, server.Options{
		Auth: roleGuard(t), Policy: policyOf(t, auth.PolicySpec{Roles: map[string][]string{"m": {"execute:methods:acme/*"}, "n": {"execute:tools"}}}),
	})
	mustAdd(t, mcp.AddReceivingCustomMethod(srv.MCP(), "acme/run", func(context.Context, *mcp.ServerSession, *mcp.ListToolsParams) (*mcp.ListToolsResult, error) {
		return &mcp.ListToolsResult{Tools: []*mcp.Tool{}}, nil
	}))
	url := serveHTTP(t, srv)
	for _, version := range eras {
		if got := newPeer(t, url, version, "a/m/").ask(t, "acme/run", "", ""); !strings.Contains(got, `"result"`) {
			t.Errorf("%s: %s", version, got)
		}
		if got := newPeer(t, url, version, "a/n/").ask(t, "acme/run", "", ""); !strings.Contains(got, `"code":403`) {
			t.Errorf("%s: %s", version, got)
		}
	}
}

func TestPolicy_ReasonsAreInTheLogAndNotInTheAnswer(t *testing.T) {
	srv, logs := newServer(t, server.Options{Auth: roleGuard(t), Policy: policyOf(t, housePolicy)})
	url := serveHTTP(t, srv)
	p := newPeer(t, url, eras[1], member)
	for _, got := range []string{
		p.ask(t, "tools/call", `"name":"closed","arguments":{}`, "closed"),
		p.ask(t, "resources/read", `"uri":"notes://closed"`, "notes://closed"),
	} {
		if strings.Contains(got, "ann") || strings.Contains(got, "grants") {
			t.Errorf("told: %s", got)
		}
	}
	reasons := 0
	for _, e := range logs.FilterMessage("mcp call").All() {
		if cause, _ := e.ContextMap()["cause"].(string); strings.Contains(cause, `"ann" of "https://i" wants`) && strings.Contains(cause, "nothing grants it") {
			reasons++
		}
	}
	if reasons != 2 {
		t.Errorf("%d reasons in %v", reasons, logs.All())
	}
}

func TestPolicy_ARequirementWithoutAPolicyIsAMistake(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	run := func(context.Context, none) (string, error) { return "", nil }
	for _, err := range []error{
		server.AddTool(srv, server.Tool{Name: "a", Description: "d", Require: []string{"admin:access"}}, run),
		server.AddTool(srv, server.Tool{Name: "b", Description: "d", RequireScopes: []string{"s"}}, run),
		server.AddResource(srv, server.Resource{URI: "x:y", Name: "n", RequireScopes: []string{"s"}}, func(context.Context) (string, error) { return "", nil }),
	} {
		if err == nil || !strings.Contains(err.Error(), "there is no policy to ask") {
			t.Errorf("got %v", err)
		}
	}
	srv, _ = newServer(t, server.Options{Policy: policyOf(t, auth.PolicySpec{})})
	if err := server.AddTool(srv, server.Tool{Name: "a", Description: "d", Require: []string{"admin"}}, run); err == nil || !strings.Contains(err.Error(), `"admin"`) {
		t.Errorf("got %v", err)
	}
}

func TestPolicy_GoesForGoSDKsOwnHandlersAndAnOwnServer(t *testing.T) {
	srv := houseServer(t, server.Options{})
	text := func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "ran"}}}, nil
	}
	mustAdd(t, srv.AddRawTool(&mcp.Tool{Name: "open-raw", Description: "d", InputSchema: json.RawMessage(`{"type":"object"}`)}, text,
		server.Access{Require: []string{"admin:access"}}))
	srv.MCP().AddTool(&mcp.Tool{Name: "open-sdk", Description: "d", InputSchema: json.RawMessage(`{"type":"object"}`)}, text)
	srv.MCP().AddTool(&mcp.Tool{Name: "behind", Description: "d", InputSchema: json.RawMessage(`{"type":"object"}`)}, text)
	url := serveHTTP(t, srv)
	for _, version := range eras {
		p := newPeer(t, url, version, member)
		if names, _ := p.list(t, "tools/list"); names != "halfscope open-sdk open1 open2" {
			t.Errorf("%s: %s", version, names)
		}
		for name, ran := range map[string]bool{"open-raw": false, "open-sdk": true, "behind": false} {
			if got := p.ask(t, "tools/call", `"name":"`+name+`","arguments":{}`, name); strings.Contains(got, "ran") != ran {
				t.Errorf("%s %s: %s", version, name, got)
			}
		}
	}
}
