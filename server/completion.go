package server

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/absent"
	"github.com/trestle-mcp/trestle/plugin"
)

// CompletePrompt registers suggestions for an argument of a registered prompt.
func (s *Server) CompletePrompt(prompt, argument string, h Completer) error {
	return s.names.setCompleter(plugin.KindPrompt, prompt, argument, h)
}

// CompleteResourceTemplate registers suggestions for a variable of a registered
// resource template.
func (s *Server) CompleteResourceTemplate(uriTemplate, variable string, h Completer) error {
	return s.names.setCompleter(plugin.KindTemplate, uriTemplate, variable, h)
}

func (s *Server) complete(ctx context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	p := req.Params
	var e *entry
	var a auth.Action
	switch p.Ref.Type {
	case "ref/prompt":
		e = s.enter(ctx, plugin.KindPrompt, p.Ref.Name)
		a = auth.Action{Verb: auth.Read, Kind: auth.Prompts, Name: p.Ref.Name}
	case "ref/resource":
		if e = s.enter(ctx, plugin.KindTemplate, p.Ref.URI); e == nil {
			e = s.enter(ctx, plugin.KindResource, p.Ref.URI)
		}
		a = auth.Action{Verb: auth.Read, Kind: auth.Resources, Name: p.Ref.URI}
	}
	if e == nil {
		return nil, gone(ctx, a.Name, absent.Completion)
	}
	defer e.leave()
	if err := s.permit(ctx, req, e.gate, a, absent.Completion); err != nil {
		return nil, err
	}
	return e.Complete(ctx, req)
}
