package server

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/absent"
)

// A gate is what stands before one thing that is registered.
type gate struct {
	need     *auth.Need // beyond permission, or nil
	tags     []string
	readOnly bool // or no tool
	when     func(Client) bool
}

// authorize returns the layer that asks the policy, or nil without one. show is
// that of [auth.AuthorizeOptions], or nil.
func (o *Options) authorize(seal *sealer, show func(context.Context, mcp.Request, auth.Kind, string) (*auth.Need, bool)) mcp.Middleware {
	if o.Policy == nil {
		return nil
	}
	options := auth.AuthorizeOptions{Policy: o.Policy, Show: show, PageSize: o.PageSize}
	if seal != nil { // else a key is wrong, and Stack does not look for mistakes
		options.Cursors = seal
	}
	return auth.Authorize(options)
}

// gate compiles what stands before a thing.
func (s *Server) gate(readOnly bool, a Access) (*gate, error) {
	g := &gate{readOnly: readOnly, tags: a.Tags, when: a.When}
	if a.When != nil {
		s.selective.Store(true)
	}
	var err error
	g.need, err = s.opts.Policy.NewNeed(a.Require, a.RequireScopes)
	return g, err
}

// gateOf returns what stands before what was listed under a name; nil if that was
// added to the SDK's server directly.
func (n *names) gateOf(k auth.Kind, name string) *gate {
	var e *entry
	switch k {
	case auth.Tools:
		e = n.tools[name]
	case auth.Prompts:
		e = n.prompts[name]
	case auth.Resources:
		if e = n.resources[name]; e == nil {
			e = n.templates[name]
		}
	default:
	}
	if e == nil {
		return nil
	}
	return e.gate
}

// permit asks what stands before one thing, once it is known that it is this one
// that serves the call, whatever has its name by then. All else was decided before,
// by name.
func (s *Server) permit(ctx context.Context, req mcp.Request, g *gate, a auth.Action, hidden absent.Error) error {
	if !s.visible(ctx, req, g, a.Name) {
		return hidden(a.Name, errNotInView)
	}
	if g.need == nil {
		return nil
	}
	a.Need = g.need
	who, _ := auth.PrincipalFrom(ctx)
	d := s.opts.Policy.Decide(ctx, who, a)
	err := d.Err()
	if d.Hidden() {
		return hidden(a.Name, errors.Unwrap(err))
	}
	return err
}

var errNotInView error = notInViewError{}

type notInViewError struct{}

func (notInViewError) Error() string { return "the view does not show it to this caller" }

// Denied makes the error known to [auth.Audit].
func (n notInViewError) Denied() string { return n.Error() }
