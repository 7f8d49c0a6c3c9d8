package trestle

import (
	"context"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
	"github.com/trestle-mcp/trestle/middleware"
	"github.com/trestle-mcp/trestle/schema"
	"github.com/trestle-mcp/trestle/transport"
)

func bare(extra int) (http.Handler, error) {
	s := mcp.NewServer(&mcp.Implementation{Name: fixture.ServerName, Version: fixture.ServerVersion}, nil)
	s.AddReceivingMiddleware(middleware.Recover())
	if err := addAdd(s); err != nil {
		return nil, err
	}
	err := addText(s, fixture.EchoName, fixture.EchoDescription, func(in fixture.EchoIn) string { return in.Text })
	if err != nil {
		return nil, err
	}
	for i := range extra {
		t := fixture.Extra(i)
		err := addText(s, t.Name, t.Description, func(in fixture.ExtraIn) string { return in.Query })
		if err != nil {
			return nil, err
		}
	}
	return transport.NewHTTPHandler(s, &transport.Options{SessionIdle: longEnough, MaxSessions: manySessions, MaxSessionsPerPrincipal: manySessions})
}

func addAdd(s *mcp.Server) error {
	in, err := schema.For[fixture.AddIn](nil)
	if err != nil {
		return err
	}
	out, err := schema.For[fixture.AddOut](nil)
	if err != nil {
		return err
	}
	s.AddTool(&mcp.Tool{
		Name: fixture.AddName, Description: fixture.AddDescription,
		InputSchema: in.JSON(), OutputSchema: out.JSON(),
	}, func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		args, err := in.Decode(req.Params.Arguments)
		if err != nil {
			return nil, err
		}
		raw, err := out.Encode(sum(args))
		if err != nil {
			return nil, err
		}
		return &mcp.CallToolResult{
			Content:           []mcp.Content{&mcp.TextContent{Text: string(raw)}},
			StructuredContent: raw,
		}, nil
	})
	return nil
}

func addText[In any](s *mcp.Server, name, description string, f func(In) string) error {
	in, err := schema.For[In](nil)
	if err != nil {
		return err
	}
	s.AddTool(&mcp.Tool{Name: name, Description: description, InputSchema: in.JSON()},
		func(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			args, err := in.Decode(req.Params.Arguments)
			if err != nil {
				return nil, err
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: f(args)}}}, nil
		})
	return nil
}

// manySessions is more than any load opens.
const manySessions = 1 << 20
