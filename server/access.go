package server

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/absent"
)

// Access is what a tool, prompt or resource that go-sdk describes asks of its
// callers. [Tool] has the fields itself, and says what they mean.
type Access struct {
	Require, RequireScopes []string
}

// authorize returns the layer that asks the policy, or nil without one. needOf
// is that of [auth.AuthorizeOptions].
func (o *Options) authorize(seal *sealer, needOf func(auth.Kind, string) *auth.Need) mcp.Middleware {
	if o.Policy == nil {
		return nil
	}
	return auth.Authorize(auth.AuthorizeOptions{Policy: o.Policy, Need: needOf, PageSize: o.PageSize, Cursors: seal})
}

// need compiles what callers need, all of it.
func (s *Server) need(access []Access) (*auth.Need, error) {
	var all Access
	for _, a := range access {
		all.Require = append(all.Require, a.Require...)
		all.RequireScopes = append(all.RequireScopes, a.RequireScopes...)
	}
	return s.opts.Policy.NewNeed(all.Require, all.RequireScopes)
}

// needOf returns what was registered under a name.
func (s *Server) needOf(k auth.Kind, name string) *auth.Need {
	var e *entry
	switch k {
	case auth.Tools:
		e, _ = s.names.get(kindTool, name)
	case auth.Prompts:
		e, _ = s.names.get(kindPrompt, name)
	case auth.Resources:
		var ok bool
		if e, ok = s.names.get(kindResource, name); !ok {
			e, _ = s.names.get(kindTemplate, name)
		}
	default:
	}
	if e == nil {
		return nil
	}
	return e.need
}

// permit asks for what one thing needs, once it is known that it is this one
// that serves the call: go-sdk has found it, and nothing replaced it since. All
// else was decided before, by name.
func (s *Server) permit(ctx context.Context, a auth.Action, hidden absent.Error) error {
	if a.Need == nil {
		return nil
	}
	who, _ := auth.PrincipalFrom(ctx)
	d := s.opts.Policy.Decide(ctx, who, a)
	err := d.Err()
	if d.Hidden() {
		return hidden(a.Name, errors.Unwrap(err))
	}
	return err
}
