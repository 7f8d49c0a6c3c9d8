// Package mcpgo is the contender with mark3labs/mcp-go alone, set up for speed:
// raw handlers that decode their arguments themselves, no sessions.
package mcpgo

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
)

// Flags are the contender's.
func Flags(fs *flag.FlagSet) func() (http.Handler, error) {
	tools := fs.Int("tools", 0, "serve this many `tools` more")
	sessions := fs.Bool("sessions", false, "keep legacy sessions")
	return func() (http.Handler, error) { return New(*tools, *sessions), nil }
}

// New returns the handler with extra tools in its list.
func New(extra int, sessions bool) http.Handler {
	s := server.NewMCPServer(fixture.ServerName, fixture.ServerVersion, server.WithToolCapabilities(true))
	handlers := map[string]server.ToolHandlerFunc{fixture.AddName: add, fixture.EchoName: echo}
	for _, t := range fixture.Tools(extra) {
		tool := mcp.NewToolWithRawSchema(t.Name, t.Description, t.InputSchema)
		tool.RawOutputSchema = t.OutputSchema
		h, ok := handlers[t.Name]
		if !ok {
			h = search
		}
		s.AddTool(tool, h)
	}
	return server.NewStreamableHTTPServer(
		s,
		server.WithStateLess(!sessions), // true: no sessions
		server.WithStateful(sessions),
		server.WithStreamableHTTPLogger(slog.New(slog.DiscardHandler)),
	)
}

func add(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	var in fixture.AddIn
	if err := json.Unmarshal(req.Params.RawArguments, &in); err != nil {
		return mcp.NewToolResultErrorFromErr("invalid arguments", err), nil
	}
	out := fixture.AddOut{Sum: in.A + in.B}
	encoded, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return mcp.NewToolResultStructured(out, string(encoded)), nil
}

func echo(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	var in fixture.EchoIn
	if err := json.Unmarshal(req.Params.RawArguments, &in); err != nil {
		return mcp.NewToolResultErrorFromErr("invalid arguments", err), nil
	}
	return mcp.NewToolResultText(in.Text), nil
}

func search(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	var in fixture.ExtraIn
	if err := json.Unmarshal(req.Params.RawArguments, &in); err != nil {
		return mcp.NewToolResultErrorFromErr("invalid arguments", err), nil
	}
	return mcp.NewToolResultText(in.Query), nil
}
