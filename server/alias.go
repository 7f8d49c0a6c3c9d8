package server

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// addAliases registers former names of a tool, if the tool itself could be.
func (s *Server) addAliases(name string, aliases []string, registered bool) error {
	var errs []error
	for _, alias := range aliases {
		err := checkName(alias)
		if err == nil && !registered {
			err = fmt.Errorf("an alias of %q, which is not registered", name)
		}
		errs = append(errs, s.names.add(kindTool, alias, &entry{canonical: name, gate: new(gate)}, err, func() {}))
	}
	if len(aliases) > 0 {
		s.aliases.Store(true)
	}
	return errors.Join(errs...)
}

// withAliases returns names and all their aliases.
func (r *registry) withAliases(names []string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := slices.Clip(names)
	for alias, e := range r.entries[kindTool] {
		for _, name := range names {
			if e.canonical == name {
				all = append(all, alias)
			}
		}
	}
	return all
}

// resolveAliases is outside of all layers, so that a call by a former name is
// permitted, limited and logged like any other of the tool.
func (s *Server) resolveAliases(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		call, ok := req.(*mcp.CallToolRequest)
		if !ok || !s.aliases.Load() || call.Params == nil {
			return next(ctx, method, req)
		}
		e, ok := s.names.get(kindTool, call.Params.Name)
		if !ok || e.canonical == "" {
			return next(ctx, method, req)
		}
		params := *call.Params
		params.Name = e.canonical
		return next(ctx, method, &mcp.CallToolRequest{Session: call.Session, Params: &params, Extra: call.Extra})
	}
}
