package server

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/toolresult"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/schema"
)

// A Prompt describes a prompt to clients.
type Prompt struct {
	Name        string // like a tool's
	Title       string // for people
	Description string // must not be empty
	Icons       []mcp.Icon
	Meta        mcp.Meta

	Require, RequireScopes []string // like a tool's, beside read:prompts:Name
	Tags                   []string // like a tool's
}

// Messages is what a prompt handler returns: a string is one user message,
// []*mcp.PromptMessage and *mcp.GetPromptResult are sent as they are.
type Messages interface {
	string | []*mcp.PromptMessage | *mcp.GetPromptResult
}

// AddPrompt registers a prompt with typed arguments. In is a struct; its
// fields are the arguments, named by their json tags, required unless they are
// omitempty, converted from the text that clients send and validated like the
// arguments of a tool. Errors are as with [AddTool].
func AddPrompt[In any, M Messages](to Target, p Prompt, h func(context.Context, In) (M, error)) error {
	f := plugin.Feature{
		Kind: plugin.KindPrompt, Access: Access{Require: p.Require, RequireScopes: p.RequireScopes, Tags: p.Tags},
		Prompt: &mcp.Prompt{Name: p.Name, Title: p.Title, Description: p.Description, Icons: p.Icons, Meta: p.Meta},
	}
	in, err := inputSchema[In](nil)
	if f.Err = errors.Join(err, nilHandler(h == nil)); f.Err != nil {
		return to.AddFeature(f)
	}
	f.Prompt.Arguments = promptArguments(in.Fields())
	f.GetPrompt = func(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		args, err := in.DecodeText(req.Params.Arguments)
		if err != nil {
			return nil, err
		}
		m, err := h(ctx, args)
		if err != nil {
			return nil, err
		}
		return promptResult(p.Description, m), nil
	}
	return to.AddFeature(f)
}

// AddRawPrompt registers go-sdk's own handler. Arguments that p requires are
// enforced; otherwise they are passed as they came. p is not changed. access says
// what callers need.
func (s *Server) AddRawPrompt(p *mcp.Prompt, h mcp.PromptHandler, access ...Access) error {
	return s.AddFeature(plugin.RawPrompt(p, h, access...))
}

// RemovePrompts takes prompts back; unknown names, and those of plugins, are
// ignored.
func (s *Server) RemovePrompts(names ...string) { s.remove(plugin.KindPrompt, names) }

func promptArguments(fields []schema.Field) []*mcp.PromptArgument {
	var args []*mcp.PromptArgument
	for _, f := range fields {
		args = append(args, &mcp.PromptArgument{Name: f.Name, Description: f.Description, Required: f.Required})
	}
	return args
}

func promptResult[M Messages](description string, m M) *mcp.GetPromptResult {
	switch m := any(m).(type) {
	case string:
		msg := &mcp.PromptMessage{Role: "user", Content: &mcp.TextContent{Text: m}}
		return &mcp.GetPromptResult{Description: description, Messages: []*mcp.PromptMessage{msg}}
	case []*mcp.PromptMessage:
		return &mcp.GetPromptResult{Description: description, Messages: m}
	case *mcp.GetPromptResult:
		return m
	}
	return nil
}

// ownPromptResult returns a copy that the SDK may mark and can encode.
func ownPromptResult(res *mcp.GetPromptResult) (*mcp.GetPromptResult, error) {
	if res == nil {
		return nil, errors.New("the prompt handler returned no result")
	}
	own := *res
	own.Meta = maps.Clone(res.Meta)
	if own.Messages == nil && own.InputRequests == nil {
		own.Messages = []*mcp.PromptMessage{} // null is not a list
	}
	if slices.ContainsFunc(own.Messages, func(m *mcp.PromptMessage) bool { return m == nil || toolresult.IsNil(m.Content) }) {
		return nil, errors.New("the prompt handler returned a nil message or content")
	}
	return &own, nil
}
