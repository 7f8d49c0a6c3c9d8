package server

import (
	"context"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/internal/glob"
)

// A View is a part of a server. What it does not show is not there: not in lists
// and not for those who know its name. The zero View shows all. It grants
// nothing: what is permitted is for [Options.Policy] to say.
//
// Tools and prompts have names, resources and templates their URI; in a pattern
// '*' stands for any run of characters. What is added to [Server.MCP] directly
// has no tags and is subject to lists only.
type View struct {
	ReadOnly bool // no tools but those that are ReadOnly

	Tags        []string // only what has one of them; none means whatever its tags
	WithoutTags []string // nothing that has one of them

	Names        []string // only what one of the patterns matches; none means all
	WithoutNames []string // nothing that one of them matches
}

// ViewFromHeader is an [Options.ViewFor] by which clients choose with HTTP
// headers: X-MCP-Toolsets has tags and X-MCP-Tools patterns, with commas between,
// and X-MCP-Readonly "true" leaves out what changes something. Without headers,
// as on stdio, it is all.
func ViewFromHeader(_ context.Context, req mcp.Request) View {
	extra := req.GetExtra()
	if extra == nil {
		return View{}
	}
	list := func(name string) []string {
		return strings.FieldsFunc(strings.Join(extra.Header.Values(name), ","), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	}
	return View{
		Tags: list("X-MCP-Toolsets"), Names: list("X-MCP-Tools"),
		ReadOnly: strings.EqualFold(extra.Header.Get("X-MCP-Readonly"), "true"),
	}
}

// SetView replaces [Options.View], from the next call on. Clients are not told;
// they see it when they list again.
func (s *Server) SetView(v View) {
	own := View{
		ReadOnly: v.ReadOnly, Tags: slices.Clone(v.Tags), WithoutTags: slices.Clone(v.WithoutTags),
		Names: slices.Clone(v.Names), WithoutNames: slices.Clone(v.WithoutNames),
	}
	s.view.Store(&own)
}

func (v *View) all() bool {
	return !v.ReadOnly && len(v.Tags)+len(v.WithoutTags)+len(v.Names)+len(v.WithoutNames) == 0
}

func (v *View) shows(g *gate, name string) bool {
	has := func(tag string) bool { return slices.Contains(g.tags, tag) }
	matches := func(pattern string) bool {
		p := glob.New(pattern)
		return p.Match(name)
	}
	return (!v.ReadOnly || g.readOnly) &&
		(len(v.Tags) == 0 || slices.ContainsFunc(v.Tags, has)) && !slices.ContainsFunc(v.WithoutTags, has) &&
		(len(v.Names) == 0 || slices.ContainsFunc(v.Names, matches)) && !slices.ContainsFunc(v.WithoutNames, matches)
}

// visible reports whether there is, for the caller of req, the thing that g
// stands before. A panic of the options' or the tool's own code hides it.
func (s *Server) visible(ctx context.Context, req mcp.Request, g *gate, name string) (shown bool) {
	if !s.selects() {
		return true
	}
	defer func() {
		if recover() != nil {
			shown = false
		}
	}()
	if v := s.view.Load(); !v.all() && !v.shows(g, name) {
		return false
	}
	if s.opts.ViewFor != nil {
		if v := s.opts.ViewFor(ctx, req); !v.all() && !v.shows(g, name) {
			return false
		}
	}
	if g.when == nil {
		return true
	}
	return g.when(Client{Modern: era.IsModern(era.Version(req)), Capabilities: capabilitiesOf(req)})
}

// selects reports whether there is anything that not everybody sees, policy
// aside.
func (s *Server) selects() bool {
	return s.opts.ViewFor != nil || s.selective.Load() || !s.view.Load().all()
}

// show tells lists about a thing.
func (s *Server) show(ctx context.Context, req mcp.Request, k auth.Kind, name string) (*auth.Need, bool) {
	g := s.listed(ctx).gateOf(k, name)
	if g == nil { // added to the SDK's server directly
		g = &gate{readOnly: k != auth.Tools}
	}
	return g.need, s.visible(ctx, req, g, name)
}

// viewed filters the lists of a server without a policy, while there is
// something to leave out.
func (s *Server) viewed() mcp.Middleware {
	everything := []string{"*"}
	open, err := auth.NewPolicy(auth.PolicySpec{Anonymous: everything, Authenticated: everything, Local: everything})
	if err != nil {
		panic(err) // nothing in it can be wrong
	}
	filter := auth.Authorize(auth.AuthorizeOptions{Policy: open, Show: s.show, PageSize: s.opts.PageSize, Cursors: s.seal})
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		filtered := filter(next)
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if isList(method) && s.selects() {
				return filtered(ctx, method, req)
			}
			return next(ctx, method, req)
		}
	}
}
