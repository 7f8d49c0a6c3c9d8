package plugin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A Kind is what a [Feature] is.
type Kind string

// The kinds that there are. Names are unique within each.
const (
	KindTool     Kind = "tool"
	KindPrompt   Kind = "prompt"
	KindResource Kind = "resource"
	KindTemplate Kind = "resource template"
)

// A Feature is one tool, prompt, resource or resource template with all that a
// server has to know of it. Authors do not write it: server.AddTool and its like
// make it from Go types, and [RawTool] and its like from go-sdk's handlers.
type Feature struct {
	Kind Kind

	// One of them describes it to clients: that of its Kind. It must not be
	// changed afterwards.
	Tool     *mcp.Tool
	Prompt   *mcp.Prompt
	Resource *mcp.Resource
	Template *mcp.ResourceTemplate

	// One of them is its handler; Read is for both resources and templates.
	CallTool  mcp.ToolHandler
	GetPrompt mcp.PromptHandler
	Read      mcp.ResourceHandler

	Access  Access
	Timeout time.Duration // tools: instead of the server's. Zero: not; negative: none
	Aliases []string      // tools: former names

	// Completers suggest values for the arguments of a prompt or the variables of
	// a template, by their names.
	Completers map[string]Completer
	// complete is suggest with what its owner has around it, or nil.
	complete func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error)

	// Err is what whoever made the feature found wrong with it. Nobody serves a
	// feature that has one.
	Err error

	// Owner lets calls in; nil lets all in.
	Owner Owner
}

// Access says for whom there is a tool, prompt or resource, beside what the
// server's policy says of its name.
type Access struct {
	// Require are permissions that callers need, and RequireScopes are scopes
	// that their tokens need, all of them. Whoever lacks a permission does not see
	// the thing; whoever lacks a scope only is told so. Both take a policy.
	Require, RequireScopes []string
	// Tags name the toolsets that it belongs to.
	Tags []string
	// When says for which clients there is the thing. It is called often, and at
	// the same time for many. A panic hides it. Nil means for all.
	When func(Client) bool
}

// A Client is what [Access] decides by.
type Client struct {
	Modern       bool // speaks 2026-07-28 or later
	Capabilities *mcp.ClientCapabilities
}

// A Completer suggests values for an argument that starts with typed, the best
// first. chosen holds the other arguments the user has already filled in.
// More than 100 values may be returned; clients get 100 and the total.
type Completer func(ctx context.Context, typed string, chosen map[string]string) ([]string, error)

// An Owner is asked about each use of its features, before anything else of the
// feature is looked at.
type Owner interface {
	// Enter returns true if the use may begin; Leave follows when it has ended.
	// It returns false if the feature is no longer this one: the caller looks for
	// what has its name now. It may wait, until ctx ends, which is false, too.
	Enter(ctx context.Context) bool
	Leave()
}

// Name is what the feature is found by: a name, a URI or a template's text.
func (f *Feature) Name() string {
	switch {
	case f.Tool != nil:
		return f.Tool.Name
	case f.Prompt != nil:
		return f.Prompt.Name
	case f.Resource != nil:
		return f.Resource.URI
	case f.Template != nil:
		return f.Template.URITemplate
	}
	return ""
}

// definition is what clients see of the feature.
func (f *Feature) definition() any {
	switch f.Kind {
	case KindTool:
		return f.Tool
	case KindPrompt:
		return f.Prompt
	case KindResource:
		return f.Resource
	case KindTemplate:
		return f.Template
	}
	return nil
}

// RawTool is a tool with go-sdk's untyped handler: arguments are neither decoded
// nor validated, and the result is sent as it is. t needs an InputSchema and is
// not changed.
func RawTool(t *mcp.Tool, h mcp.ToolHandler, access ...Access) Feature {
	f := Feature{Kind: KindTool, Access: join(access)}
	if t == nil || h == nil {
		f.Err = errors.New("nil tool or handler")
		return f
	}
	def := *t
	f.Tool = &def
	f.CallTool = encodable(h)
	return f
}

// RawPrompt is a prompt with go-sdk's handler. Arguments that p requires are
// enforced; otherwise they are passed as they came. p is not changed.
func RawPrompt(p *mcp.Prompt, h mcp.PromptHandler, access ...Access) Feature {
	f := Feature{Kind: KindPrompt, Access: join(access)}
	if p == nil || h == nil {
		f.Err = errors.New("nil prompt or handler")
		return f
	}
	def := *p
	f.Prompt = &def
	f.GetPrompt = func(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		if err := requireArguments(def.Arguments, req.Params.Arguments); err != nil {
			return nil, err
		}
		return h(ctx, req)
	}
	return f
}

// RawResource is a resource with go-sdk's handler. r is not changed.
func RawResource(r *mcp.Resource, h mcp.ResourceHandler, access ...Access) Feature {
	f := Feature{Kind: KindResource, Read: h, Access: join(access)}
	if r == nil || h == nil {
		f.Err = errors.New("nil resource or handler")
		return f
	}
	def := *r
	f.Resource = &def
	return f
}

// RawResourceTemplate is a resource template with go-sdk's handler. t is not
// changed.
func RawResourceTemplate(t *mcp.ResourceTemplate, h mcp.ResourceHandler, access ...Access) Feature {
	f := Feature{Kind: KindTemplate, Read: h, Access: join(access)}
	if t == nil || h == nil {
		f.Err = errors.New("nil template or handler")
		return f
	}
	def := *t
	f.Template = &def
	return f
}

// join returns what all of them say together.
func join(access []Access) Access {
	var all Access
	for _, a := range access {
		all.Require = slices.Concat(all.Require, a.Require)
		all.RequireScopes = slices.Concat(all.RequireScopes, a.RequireScopes)
		all.Tags = slices.Concat(all.Tags, a.Tags)
		all.When = both(all.When, a.When)
	}
	return all
}

func both(a, b func(Client) bool) func(Client) bool {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(c Client) bool { return a(c) && b(c) }
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
