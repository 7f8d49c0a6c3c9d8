package openapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
)

// A host takes what plugins have and does nothing with it.
type host map[string]*plugin.Feature

func (h host) Vet(_, add []*plugin.Feature) error { return nil }

func (h host) Swap(_, add []*plugin.Feature) error {
	for _, f := range add {
		h[f.Name()] = f
	}
	return nil
}

// call calls a tool of p as a server does.
func call(t *testing.T, p plugin.Plugin, name, args string) (*mcp.CallToolResult, error) {
	t.Helper()
	h := host{}
	m, err := plugin.NewManager(h, plugin.Options{})
	must(t, err)
	must(t, m.Register(t.Context(), p))
	defer func() { must(t, m.Close(context.WithoutCancel(t.Context()))) }()
	f := h[name]
	if f == nil {
		return nil, errors.New("no such tool")
	}
	return f.CallTool(t.Context(), &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: name, Arguments: json.RawMessage(args)}})
}
