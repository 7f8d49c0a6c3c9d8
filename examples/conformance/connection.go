package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/server"
)

// addConnectionTools adds tools that look at the request itself: go-sdk's own
// handlers, unchanged.
func addConnectionTools(s *server.Server) {
	_ = server.AddSDKTool(s, &mcp.Tool{
		Name:        "test_reconnection",
		Description: "Closes the stream of its call, so that the client has to come back for the answer.",
	}, closeStream)
	_ = server.AddSDKTool(s, &mcp.Tool{
		Name:        "test_missing_capability",
		Description: "Refuses clients that cannot sample.",
	}, needSampling)
}

// closeStream needs a legacy client over HTTP (SEP-1699); for others it only waits.
func closeStream(ctx context.Context, req *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
	if req.Extra != nil && req.Extra.CloseSSEStream != nil {
		req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 10 * time.Millisecond})
	}
	if err := wait(ctx, 100*time.Millisecond); err != nil {
		return nil, nil, err
	}
	return text("The client came back for this."), nil, nil
}

// needSampling shows that an error of the protocol's own passes unchanged.
func needSampling(_ context.Context, req *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, any, error) {
	if can := req.ClientCapabilities(); can != nil && can.Sampling != nil {
		return text("The client can sample."), nil, nil
	}
	return nil, nil, &jsonrpc.Error{
		Code:    mcp.CodeMissingRequiredClientCapabilities,
		Message: "this tool needs a client that can sample",
		Data:    json.RawMessage(`{"requiredCapabilities":{"sampling":{}}}`),
	}
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
