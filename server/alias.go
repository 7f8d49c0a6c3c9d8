package server

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
)

// resolveAliases is outside of all layers, so that a call by a former name is
// permitted, limited and logged like any other of the tool.
func (s *Server) resolveAliases(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		call, ok := req.(*mcp.CallToolRequest)
		if !ok || !s.aliases.Load() || call.Params == nil {
			return next(ctx, method, req)
		}
		e, ok := s.names.get(plugin.KindTool, call.Params.Name)
		if !ok || e.canonical == "" {
			return next(ctx, method, req)
		}
		params := *call.Params
		params.Name = e.canonical
		return next(ctx, method, &mcp.CallToolRequest{Session: call.Session, Params: &params, Extra: call.Extra})
	}
}
