package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/middleware"
)

func ExampleChain() {
	stack := middleware.Chain(
		middleware.Recover(),
		middleware.RequestID(),
		middleware.Log(zap.NewNop(), middleware.LogOptions{}),
		middleware.Errors(),
		middleware.Concurrency(100),
		middleware.Timeout(time.Minute),
	)
	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, nil)
	server.AddReceivingMiddleware(stack) // all in one call

	// What a handler below it returns, and what its caller sees.
	h := stack(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return nil, errors.New("dial tcp 10.0.0.7:5432: password=hunter2 rejected")
	})
	_, err := h(context.Background(), "tools/call", nil)
	fmt.Println(err)
	// Output: internal error
}

func ExampleTimeout() {
	h := middleware.Timeout(time.Millisecond)(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	_, err := h(context.Background(), "tools/call", nil)
	fmt.Println(err)
	// Output: timeout: timed out
}

func ExampleGate() {
	gate := &middleware.Gate{Max: 1}
	h := gate.Middleware()(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		fmt.Println("in flight:", gate.InFlight())
		return nil, nil
	})
	_, _ = h(context.Background(), "tools/call", nil)
	fmt.Println("in flight:", gate.InFlight())
	// Output:
	// in flight: 1
	// in flight: 0
}

func ExampleFailure() {
	res := &mcp.CallToolResult{}
	res.SetError(errors.New("no such city"))
	fmt.Println(middleware.Failure(res, nil)) // an isError result is a failure too
	fmt.Println(middleware.Failure(&mcp.CallToolResult{}, nil))
	// Output:
	// no such city
	// <nil>
}

func ExampleLimitResult() {
	h := middleware.LimitResult(50)(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: strings.Repeat("0123456789", 100)}}}, nil
	})
	res, err := h(context.Background(), "tools/call", nil)
	if tool, ok := res.(*mcp.CallToolResult); ok && err == nil {
		fmt.Println(tool.Content[0].(*mcp.TextContent).Text)
	}
	// Output:
	// 012345678901234567
	// [truncated: 982 of 1000 bytes left out]
}

func ExampleStripHidden() {
	h := middleware.StripHidden()(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "\x1b[31mred\x1b[0m, and \u202ebackwards"}}}, nil
	})
	res, err := h(context.Background(), "tools/call", nil)
	if tool, ok := res.(*mcp.CallToolResult); ok && err == nil {
		fmt.Println(tool.Content[0].(*mcp.TextContent).Text)
	}
	// Output: red, and backwards
}
