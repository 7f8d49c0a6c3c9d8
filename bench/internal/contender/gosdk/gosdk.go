// Package gosdk is the contender with go-sdk alone, set up for speed as its
// documentation has it: typed tools, a schema cache, no sessions, plain JSON.
package gosdk

import (
	"context"
	"flag"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
)

// Flags are the contender's.
func Flags(fs *flag.FlagSet) func() (http.Handler, error) {
	tools := fs.Int("tools", 0, "serve this many `tools` more")
	sessions := fs.Bool("sessions", false, "keep legacy sessions; modern clients are refused then")
	return func() (http.Handler, error) { return New(*tools, *sessions), nil }
}

// New returns the handler with extra tools in its list.
func New(extra int, sessions bool) http.Handler {
	s := mcp.NewServer(
		&mcp.Implementation{Name: fixture.ServerName, Version: fixture.ServerVersion},
		&mcp.ServerOptions{SchemaCache: mcp.NewSchemaCache()},
	)
	mcp.AddTool(s, &mcp.Tool{Name: fixture.AddName, Description: fixture.AddDescription},
		func(_ context.Context, _ *mcp.CallToolRequest, in fixture.AddIn) (*mcp.CallToolResult, fixture.AddOut, error) {
			return nil, fixture.AddOut{Sum: in.A + in.B}, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: fixture.EchoName, Description: fixture.EchoDescription},
		func(_ context.Context, _ *mcp.CallToolRequest, in fixture.EchoIn) (*mcp.CallToolResult, any, error) {
			return text(in.Text), nil, nil
		})
	for i := range extra {
		t := fixture.Extra(i)
		mcp.AddTool(s, &mcp.Tool{Name: t.Name, Description: t.Description},
			func(_ context.Context, _ *mcp.CallToolRequest, in fixture.ExtraIn) (*mcp.CallToolResult, any, error) {
				return text(in.Query), nil, nil
			})
	}
	return mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return s },
		&mcp.StreamableHTTPOptions{Stateless: !sessions, JSONResponse: true},
	)
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
