package mcptest_test

import (
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
)

func TestDouble_FollowsItsScriptAndRemembersItsCalls(t *testing.T) {
	d := mcptest.NewDouble(t)
	d.Tool("forecast").Answers(addOut{1}).Fails(mcperrors.Unavailable, "down").Answers(addOut{2})
	whole := &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "as it is"}}}
	d.Tool("whole").Answers(whole)
	c := mcptest.New(t, d.Server())
	c.Call("forecast", addIn{1, 2}).OK().Equal(addOut{1})
	c.Call("forecast", nil).Fails(mcperrors.Unavailable).Says("down")
	c.Call("forecast", nil).OK().Equal(addOut{2})
	c.Call("forecast", nil).OK().Equal(addOut{2})
	c.Call("whole", nil).OK().Says("as it is")
	d.Tool("silent")
	c.Call("silent", nil).OK().Equal(struct{}{})
	calls := d.Tool("forecast").Calls()
	if len(calls) != 4 || string(calls[0]) != `{"a":1,"b":2}` {
		t.Errorf("calls %s", calls)
	}

	d.Tool("silent").Called(struct{}{})
	d.Tool("forecast").Called(addIn{1, 2}, struct{}{}, struct{}{}, struct{}{})
	d.Tool("never").Called()
	if got := failed(t, func(tb testing.TB) {
		d := mcptest.NewDouble(tb)
		d.Tool("forecast").Called()
		mcptest.New(tb, d.Server()).Call("forecast", addIn{1, 2}).OK()
		d.Tool("forecast").Called(addIn{1, 3})
	}); !strings.Contains(got, "-want +got") || !strings.Contains(got, "forecast") {
		t.Errorf("another call: %q", got)
	}

	d.Tool("slow").Hangs()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "app", Version: "1"}, nil).
		Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: d.URL()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "forecast"}); err != nil {
		t.Error(err)
	}
}
