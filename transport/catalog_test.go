package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

func manyTools(n int) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	for i := range n {
		s.AddTool(&mcp.Tool{Name: fmt.Sprintf("tool%03d", i), Description: "d", InputSchema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}}}`)},
			func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult(""), nil })
	}
	return s
}

func TestCatalog_ShowsEachCallerWhatItsListHolds(t *testing.T) {
	s := manyTools(30)
	visible, round := 0, 0
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			if list, ok := res.(*mcp.ListToolsResult); ok {
				list.Tools = slices.DeleteFunc(list.Tools, func(t *mcp.Tool) bool { return t.Name >= fmt.Sprintf("tool%03d", visible) })
				list.TTLMs = 100*round + visible
			}
			return res, err
		}
	})
	h := handler(t, s)
	for round = range 4 { // first more than are kept, then the same with other hints
		for visible = range 12 - 3*round {
			w := recorded(t, h, "tools/list", "", "")
			body := w.Body.String()
			if n := strings.Count(body, `"tool0`); n != visible || !strings.Contains(body, fmt.Sprintf(`"ttlMs":%d,`, 100*round+visible)) || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d tools, want %d: %s", n, visible, body)
			}
		}
	}
	visible = 100
	s.AddTool(&mcp.Tool{Name: "tool001", Description: "changed", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult(""), nil })
	if body := recorded(t, h, "tools/list", "", "").Body.String(); !strings.Contains(body, `"changed"`) {
		t.Errorf("a changed tool: %s", body)
	}
}

func BenchmarkModernList200(b *testing.B) {
	h, err := transport.NewHTTPHandler(manyTools(200), nil)
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, h, "tools/list", "", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+meta+`}}`, `"tool199"`)
}
