package plugin

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxCompletions is the protocol's limit on the values of one answer
// (2025-11-25, server/utilities/completion).
const maxCompletions = 100

// Complete answers req with what the feature's completer suggests, through the
// middleware of its plugin. Where there is no completer, it suggests nothing.
func (f *Feature) Complete(ctx context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	if f.complete != nil {
		return f.complete(ctx, req)
	}
	return f.suggest(ctx, req)
}

func (f *Feature) suggest(ctx context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	p := req.Params
	none := &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{}}}
	h := f.Completers[p.Argument.Name]
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
