package mcptest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

type addIn struct {
	A int `json:"a" validate:"gte=0"`
	B int `json:"b"`
}

type addOut struct {
	Sum int `json:"sum"`
}

func newServer(t *testing.T) *server.Server {
	t.Helper()
	srv, err := server.New("calc", "1.0.0", &server.Options{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	err = server.AddTool(srv, server.Tool{Name: "add", Description: "Add two integers."},
		func(_ context.Context, in addIn) (addOut, error) { return addOut{in.A + in.B}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

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

// failed runs f with a testing.TB that notes failures instead of failing.
func failed(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	tb := &fake{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(tb)
	}()
	<-done
	return tb.message
}

type fake struct {
	testing.TB
	message string
}

func (f *fake) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
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

func ExampleNew() {
	test := func(t *testing.T, srv *server.Server) {
		c := mcptest.New(t, srv)
		var out addOut
		c.Call("add", addIn{A: 1, B: 2}).OK().Decode(&out)
		c.Call("add", map[string]any{"a": -1}).Fails(mcperrors.Validation)
	}
	_ = test
}
