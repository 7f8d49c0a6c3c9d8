package mcptest_test

import (
	"strings"
	"testing"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
)

func TestMatrix_RunsEveryTransportInBothEras(t *testing.T) {
	var versions []string
	mcptest.Matrix(t, newServer(t), func(t *testing.T, c *mcptest.Client) {
		versions = append(versions, c.InitializeResult().ProtocolVersion)
		var out addOut
		c.Call("add", addIn{1, 2}).OK().Decode(&out)
		if out.Sum != 3 {
			t.Errorf("sum %d", out.Sum)
		}
		c.Call("add", addIn{A: -1}).Fails(mcperrors.Validation)
		c.Call("nosuch", nil).Fails(mcperrors.NotFound)
	})
	if got := strings.Join(versions, " "); got != strings.TrimSpace(strings.Repeat("2025-11-25 2026-07-28 ", 3)) {
		t.Errorf("versions %s", got)
	}
}

func TestVersion_IsSpoken(t *testing.T) {
	for _, v := range []string{"2024-11-05", "2025-03-26", "2025-06-18"} {
		mcptest.New(t, newServer(t), mcptest.Version(v)).Call("add", addIn{1, 2}).OK()
		mcptest.New(t, newServer(t), mcptest.Version(v), mcptest.OverHTTP()).Call("add", addIn{1, 2}).OK()
	}
}

func TestAssertions_CanFailAndShowTheExchange(t *testing.T) {
	srv := newServer(t)
	tests := []struct {
		name string
		f    func(*mcptest.Client)
		want []string
	}{
		{"OK", func(c *mcptest.Client) { c.Call("add", addIn{A: -1}).OK() }, []string{`call add({"a":-1,"b":0}) failed`, "isError"}},
		{"Fails without a failure", func(c *mcptest.Client) { c.Call("add", addIn{}).Fails(mcperrors.Conflict) }, []string{"succeeded", "conflict", `"sum":0`}},
		{"Fails with another code", func(c *mcptest.Client) { c.Call("add", addIn{A: -1}).Fails(mcperrors.Conflict) }, []string{"validation", "conflict"}},
		{"Decode of nothing", func(c *mcptest.Client) { c.Call("nosuch", nil).Decode(new(addOut)) }, []string{"no structured content"}},
		{"Decode that does not fit", func(c *mcptest.Client) { c.Call("add", addIn{}).Decode(new([]string)) }, []string{"does not fit"}},
		{"Equal", func(c *mcptest.Client) { c.Call("add", addIn{1, 2}).Equal(addOut{4}) }, []string{"-want +got", `"3"`, `--> {"jsonrpc":"2.0"`, "<-- "}},
		{"Says", func(c *mcptest.Client) { c.Call("add", addIn{1, 2}).Says("four") }, []string{`does not say "four"`}},
		{"Read", func(c *mcptest.Client) { c.Read("a://none").OK() }, []string{`read("a://none") failed`, "resources/read"}},
		{"Read that ought to fail", func(c *mcptest.Client) { c.Read("memo://one").Fails(mcperrors.NotFound) }, []string{"succeeded"}},
		{"Read of another kind", func(c *mcptest.Client) { c.Read("memo://one").Decode(new(int)) }, []string{"does not fit"}},
		{"Prompt", func(c *mcptest.Client) { c.Prompt("none", nil).OK() }, []string{`prompt none(null) failed`}},
		{"Prompt that ought to fail", func(c *mcptest.Client) { c.Prompt("greet", map[string]string{"name": "Ann"}).Fails(mcperrors.NotFound) }, []string{"succeeded"}},
		{"Completion", func(c *mcptest.Client) { c.CompletePrompt("none", "name", "", nil) }, []string{"complete none"}},
		{"Lint of an unknown rule", func(c *mcptest.Client) { c.Lint("nosuch") }, []string{"ambiguous-name"}},
		{"Lint", func(c *mcptest.Client) { c.Lint() }, []string{`argument "a" has no description`}},
		{"a golden file that is missing", func(c *mcptest.Client) { c.GoldenCatalog("testdata/none.json") }, []string{"-update"}},
		{"a golden exchange", func(c *mcptest.Client) { c.Call("nosuch", nil); c.GoldenExchange("testdata/calls.txt") }, []string{"-want +got", "nosuch"}},
		{"New with an unknown version", nil, []string{"speaks"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := failed(t, func(tb testing.TB) {
				if tt.f == nil {
					mcptest.New(tb, srv, mcptest.Version("2019-01-01"))
					return
				}
				tt.f(mcptest.New(tb, srv))
			})
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in %q", want, got)
				}
			}
		})
	}
}
