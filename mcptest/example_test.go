package mcptest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

// exampleTB stands for the *testing.T of a test, which examples have not got.
type exampleTB struct {
	testing.TB
	cleanups []func()
}

func (*exampleTB) Helper()                           {}
func (*exampleTB) Failed() bool                      { return false }
func (*exampleTB) Context() context.Context          { return context.Background() }
func (tb *exampleTB) Cleanup(f func())               { tb.cleanups = append(tb.cleanups, f) }
func (*exampleTB) Errorf(format string, a ...any)    { panic(fmt.Sprintf(format, a...)) }
func (tb *exampleTB) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func (tb *exampleTB) end() {
	for len(tb.cleanups) > 0 {
		last := tb.cleanups[len(tb.cleanups)-1]
		tb.cleanups = tb.cleanups[:len(tb.cleanups)-1]
		last()
	}
}

// exampleServer has the tools add and forget, which asks the user first.
func exampleServer(tb testing.TB, opts *server.Options) *server.Server {
	tb.Helper()
	srv, err := server.New("calc", "1.0.0", opts)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	_ = server.AddTool(srv, server.Tool{Name: "add", Description: "Add two integers.", ReadOnly: true},
		func(_ context.Context, in addIn) (addOut, error) { return addOut{in.A + in.B}, nil })
	_ = server.AddTool(srv, server.Tool{Name: "forget", Description: "Forget everything."},
		func(ctx context.Context, _ struct{}) (choice, error) {
			return server.Elicit[choice](ctx, "sure", "Forget all?")
		})
	return srv
}

// In a test, t is its *testing.T.
func ExampleNew() {
	t := new(exampleTB)
	defer t.end()

	c := mcptest.New(t, exampleServer(t, nil))
	var out addOut
	c.Call("add", addIn{A: 1, B: 2}).OK().Decode(&out)
	refused := c.Call("add", map[string]any{"a": -1, "b": 2}).Fails(mcperrors.Validation)
	fmt.Println(out.Sum)
	fmt.Println(refused.Text())
	// Output:
	// 3
	// invalid arguments: 1 problem
	// - a: must be at least 0, got -1 (rule: gte=0 / minimum)
}

func ExampleNewUser() {
	t := new(exampleTB)
	defer t.end()

	user := mcptest.NewUser(mcptest.Accept(choice{Yes: true}), mcptest.Decline())
	c := mcptest.New(t, exampleServer(t, nil), mcptest.WithUser(user), mcptest.OverHTTP())
	c.Call("forget", nil).OK().Equal(choice{Yes: true})
	c.Call("forget", nil).Fails(mcperrors.Conflict)
	for _, asked := range user.Asked() {
		fmt.Println(asked.(*mcp.ElicitParams).Message)
	}
	// Output:
	// Forget all?
	// Forget all?
}

func ExampleNewDouble() {
	t := new(exampleTB)
	defer t.end()

	weather := mcptest.NewDouble(t)
	weather.Tool("forecast").Answers(map[string]int{"celsius": 21}).Fails(mcperrors.Unavailable, "down")

	// What is tested would be given weather.URL().
	app := mcptest.New(t, weather.Server())
	fmt.Println(app.Call("forecast", map[string]string{"city": "Oslo"}).Text())
	fmt.Println(mcperrors.CodeOf(app.Call("forecast", map[string]string{"city": "Rome"}).Err))

	weather.Tool("forecast").Called(map[string]string{"city": "Oslo"}, map[string]string{"city": "Rome"})
	// Output:
	// {"celsius":21}
	// unavailable
}

func ExampleFaults() {
	t := new(exampleTB)
	defer t.end()

	f := &mcptest.Faults{Seed: 1, Errors: 0.5}
	srv := exampleServer(t, &server.Options{Middleware: []mcp.Middleware{f.Middleware}})
	c := mcptest.New(t, srv, mcptest.Through(f))
	for range 6 { // the same in every run
		fmt.Print(c.Call("add", addIn{A: 1}).Err == nil, " ")
	}
	// Output:
	// false true true true false false
}

func ExampleLoad() {
	t := new(exampleTB)
	defer t.end()

	report := mcptest.Load(t, exampleServer(t, nil), mcptest.Plan{
		Clients: 4, Calls: 100,
		Mix: []mcptest.LoadCall{{Tool: "add", Args: func(n int) any { return addIn{A: n, B: 1} }}},
	})
	mcptest.Within(t, report, mcptest.Budget{Failed: 0, P99: time.Minute})
	fmt.Println(report.Calls, "calls,", report.Failed, "failed")
	// Output:
	// 100 calls, 0 failed
}
