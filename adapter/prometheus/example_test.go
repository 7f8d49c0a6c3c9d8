package prometheus_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/adapter/prometheus"
	"github.com/trestle-mcp/trestle/server"
)

func Example() {
	metrics, err := prometheus.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	stack := server.Stack(&server.Options{Observe: []mcp.Middleware{metrics.Middleware()}})

	handler := stack(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{}}, nil
	})
	ctx := context.Background()
	_, err = handler(ctx, "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: "add"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	page := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(page, httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
	for lines := bufio.NewScanner(page.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "trestle_calls_total") {
			fmt.Println(lines.Text())
		}
	}
	// Output: trestle_calls_total{code="ok",method="tools/call",name="add"} 1
}
