package server

import (
	"context"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/absent"
	"github.com/trestle-mcp/trestle/plugin"
)

// enter returns what has the name now, and lets a use of it begin, or returns nil
// if there is nothing. Whatever the use then asks for, it asks of that entry: so
// it never sees one half of one version and one half of the next. leave follows.
func (s *Server) enter(ctx context.Context, k plugin.Kind, name string) *entry {
	for {
		e := s.names.now.Load().of(k)[name]
		if e == nil || e.Owner == nil || e.Owner.Enter(ctx) {
			return e
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (e *entry) leave() {
	if e.Owner != nil {
		e.Owner.Leave()
	}
}

func (s *Server) callTool(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	name := req.Params.Name
	e := s.enter(ctx, plugin.KindTool, name)
	if e == nil {
		return nil, gone(ctx, name, absent.Tool)
	}
	defer e.leave()
	action := auth.Action{Verb: auth.Execute, Kind: auth.Tools, Name: name}
	if err := s.permit(ctx, req, e.gate, action, absent.Tool); err != nil {
		return nil, err
	}
	res, err := e.CallTool(ctx, req)
	ask, err := asked(err)
	if ask != nil {
		return &mcp.CallToolResult{InputRequests: ask.requests, RequestState: ask.state}, nil
	}
	return res, err
}

func (s *Server) getPrompt(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	name := req.Params.Name
	e := s.enter(ctx, plugin.KindPrompt, name)
	if e == nil {
		return nil, gone(ctx, name, absent.Prompt)
	}
	defer e.leave()
	action := auth.Action{Verb: auth.Read, Kind: auth.Prompts, Name: name}
	if err := s.permit(ctx, req, e.gate, action, absent.Prompt); err != nil {
		return nil, err
	}
	res, err := e.GetPrompt(ctx, req)
	ask, err := asked(err)
	if ask != nil {
		return &mcp.GetPromptResult{InputRequests: ask.requests, RequestState: ask.state}, nil
	}
	if err != nil {
		return nil, err
	}
	return ownPromptResult(res)
}

// reader serves the resource or template that the SDK found, or, if that has
// gone, what else is there for the URI.
func (s *Server) reader(k plugin.Kind, name string) mcp.ResourceHandler {
	return func(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		uri := req.Params.URI
		e := s.enter(ctx, k, name)
		if e == nil && ctx.Err() == nil {
			if other := s.names.now.Load().readable(uri); other != nil {
				e = s.enter(ctx, other.Kind, other.name)
			}
		}
		if e == nil {
			return nil, gone(ctx, uri, absent.Resource)
		}
		defer e.leave()
		action := auth.Action{Verb: auth.Read, Kind: auth.Resources, Name: uri}
		if err := s.permit(ctx, req, e.gate, action, absent.Resource); err != nil {
			return nil, err
		}
		res, err := e.Read(ctx, req)
		ask, err := asked(err)
		if ask != nil {
			return &mcp.ReadResourceResult{InputRequests: ask.requests, RequestState: ask.state}, nil
		}
		if err != nil {
			return nil, withURI(err, uri)
		}
		return ownContents(res, e.mimeType)
	}
}

// gone is the error for what is not there any more, though the SDK found it.
func gone(ctx context.Context, name string, hidden absent.Error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return hidden(name, nil)
}

// A listing is the context of a list. It remembers what there was when the list
// was taken from the SDK, for those who judge its items: by now there may be
// something else under their names.
type listing struct {
	context.Context

	names *names
}

type listingKey struct{}

// Value implements [context.Context].
func (l *listing) Value(key any) any {
	if key == (listingKey{}) {
		return l
	}
	return l.Context.Value(key)
}

// watchLists stands outside of what judges lists.
func watchLists(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if isList(method) {
			ctx = &listing{Context: ctx}
		}
		return next(ctx, method, req)
	}
}

func isList(method string) bool { return strings.HasSuffix(method, "/list") }

// list takes a list from the SDK, between two changes.
func (s *Server) list(ctx context.Context, method string, req mcp.Request, next mcp.MethodHandler) (mcp.Result, error) {
	s.names.lists.RLock()
	defer s.names.lists.RUnlock()
	if l, ok := ctx.Value(listingKey{}).(*listing); ok {
		l.names = s.names.now.Load()
	}
	return next(ctx, method, req)
}

// listed is what there was when the list of ctx was taken.
func (s *Server) listed(ctx context.Context) *names {
	if l, ok := ctx.Value(listingKey{}).(*listing); ok && l.names != nil {
		return l.names
	}
	return s.names.now.Load()
}
