package server

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/absent"
)

// maxCompletions is the protocol's limit on the values of one answer
// (2025-11-25, server/utilities/completion).
const maxCompletions = 100

// A Completer suggests values for an argument that starts with typed, the best
// first. chosen holds the other arguments the user has already filled in.
// More than 100 values may be returned; clients get 100 and the total.
type Completer func(ctx context.Context, typed string, chosen map[string]string) ([]string, error)

// CompletePrompt registers suggestions for an argument of a registered prompt.
func (s *Server) CompletePrompt(prompt, argument string, h Completer) error {
	return s.names.setCompleter(kindPrompt, prompt, argument, h)
}

// CompleteResourceTemplate registers suggestions for a variable of a registered
// resource template.
func (s *Server) CompleteResourceTemplate(uriTemplate, variable string, h Completer) error {
	return s.names.setCompleter(kindTemplate, uriTemplate, variable, h)
}

func (s *Server) complete(ctx context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	p := req.Params
	var e *entry
	var ok bool
	var a auth.Action
	switch p.Ref.Type {
	case "ref/prompt":
		e, ok = s.names.get(kindPrompt, p.Ref.Name)
		a = auth.Action{Verb: auth.Read, Kind: auth.Prompts, Name: p.Ref.Name}
	case "ref/resource":
		e, ok = s.names.get(kindTemplate, p.Ref.URI)
		if !ok {
			e, ok = s.names.get(kindResource, p.Ref.URI)
		}
		a = auth.Action{Verb: auth.Read, Kind: auth.Resources, Name: p.Ref.URI}
	}
	if !ok {
		return nil, absent.Completion(a.Name, nil)
	}
	if err := s.permit(ctx, req, e.gate, a, absent.Completion); err != nil {
		return nil, err
	}
	none := &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{}}}
	h := e.completers[p.Argument.Name]
	if h == nil {
		return none, nil
	}
	var chosen map[string]string
	if p.Context != nil {
		chosen = p.Context.Arguments
	}
	values, err := h(ctx, p.Argument.Value, chosen)
	if err != nil || len(values) == 0 {
		return none, err
	}
	total := len(values)
	return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{
		Values: values[:min(total, maxCompletions)], Total: total, HasMore: total > maxCompletions,
	}}, nil
}
