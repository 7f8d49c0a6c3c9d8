package server

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/absent"
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
func AddPrompt[In any, M Messages](s *Server, p Prompt, h func(context.Context, In) (M, error)) error {
	in, err := inputSchema[In](nil)
	if h == nil {
		err = errors.Join(err, errors.New("nil handler"))
	}
	if err != nil {
		return s.names.add(kindPrompt, p.Name, nil, err, nil)
	}
	def := &mcp.Prompt{
		Name: p.Name, Title: p.Title, Description: p.Description, Icons: p.Icons, Meta: p.Meta,
		Arguments: promptArguments(in.Fields()),
	}
	return s.addPrompt(def, []Access{{Require: p.Require, RequireScopes: p.RequireScopes, Tags: p.Tags}}, func(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		args, err := in.DecodeText(req.Params.Arguments)
		if err != nil {
			return nil, err
		}
		m, err := h(ctx, args)
		if err != nil {
			return nil, err
		}
		return promptResult(p.Description, m), nil
	})
}

// AddRawPrompt registers go-sdk's own handler. Arguments that p requires are
// enforced; otherwise they are passed as they came. p is not changed. access says
// what callers need.
func (s *Server) AddRawPrompt(p *mcp.Prompt, h mcp.PromptHandler, access ...Access) error {
	if p == nil || h == nil {
		return s.names.add(kindPrompt, "", nil, errors.New("nil prompt or handler"), nil)
	}
	def := *p
	return s.addPrompt(&def, access, func(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		if err := requireArguments(def.Arguments, req.Params.Arguments); err != nil {
			return nil, err
		}
		return h(ctx, req)
	})
}

func (s *Server) addPrompt(p *mcp.Prompt, access []Access, h mcp.PromptHandler) error {
	g, err := s.gate(true, access)
	e := &entry{gate: g}
	for _, a := range p.Arguments {
		e.arguments = append(e.arguments, a.Name)
	}
	err = errors.Join(err, checkName(p.Name), checkDescription(p.Description), checkSeen(p))
	action := auth.Action{Verb: auth.Read, Kind: auth.Prompts, Name: p.Name}
	return s.names.add(kindPrompt, p.Name, e, err, func() {
		s.mcp.AddPrompt(p, func(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			if err := s.permit(ctx, req, g, action, absent.Prompt); err != nil {
				return nil, err
			}
			res, err := h(ctx, req)
			ask, err := asked(err)
			if ask != nil {
				return &mcp.GetPromptResult{InputRequests: ask.requests, RequestState: ask.state}, nil
			}
			if err != nil {
				return nil, err
			}
			return ownPromptResult(res)
		})
	})
}

// RemovePrompts takes prompts back; unknown names are ignored.
func (s *Server) RemovePrompts(names ...string) {
	s.names.remove(kindPrompt, names, s.mcp.RemovePrompts)
}

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
	if slices.ContainsFunc(own.Messages, func(m *mcp.PromptMessage) bool { return m == nil || isNilContent(m.Content) }) {
		return nil, errors.New("the prompt handler returned a nil message or content")
	}
	return &own, nil
}

func requireArguments(args []*mcp.PromptArgument, given map[string]string) error {
	var missing []string
	for _, a := range args {
		if _, ok := given[a.Name]; a.Required && !ok {
			missing = append(missing, a.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return mcperrors.Errorf(mcperrors.Validation, "required arguments are missing: %q", missing)
}
