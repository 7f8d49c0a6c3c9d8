package transport

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A dispatcher calls a server's method handler without go-sdk's transport.
type dispatcher struct{ next mcp.MethodHandler }

func newDispatcher(s *mcp.Server) *dispatcher {
	d := &dispatcher{}
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		d.next = next
		return next
	})
	return d
}

// request decodes params. It returns nil twice for methods that are not served
// directly.
func (d *dispatcher) request(session *mcp.ServerSession, method string, params json.RawMessage, extra *mcp.RequestExtra) (mcp.Request, *refusal) {
	switch method {
	case "tools/call":
		p, ref := decodeParams[mcp.CallToolParamsRaw](params, true)
		return &mcp.CallToolRequest{Session: session, Params: p, Extra: extra}, ref
	case "tools/list":
		p, ref := decodeParams[mcp.ListToolsParams](params, false)
		return &mcp.ListToolsRequest{Session: session, Params: p, Extra: extra}, ref
	case "prompts/get":
		p, ref := decodeParams[mcp.GetPromptParams](params, true)
		return &mcp.GetPromptRequest{Session: session, Params: p, Extra: extra}, ref
	case "prompts/list":
		p, ref := decodeParams[mcp.ListPromptsParams](params, false)
		return &mcp.ListPromptsRequest{Session: session, Params: p, Extra: extra}, ref
	case "resources/read":
		p, ref := decodeParams[mcp.ReadResourceParams](params, true)
		return &mcp.ReadResourceRequest{Session: session, Params: p, Extra: extra}, ref
	case "resources/list":
		p, ref := decodeParams[mcp.ListResourcesParams](params, false)
		return &mcp.ListResourcesRequest{Session: session, Params: p, Extra: extra}, ref
	case "resources/templates/list":
		p, ref := decodeParams[mcp.ListResourceTemplatesParams](params, false)
		return &mcp.ListResourceTemplatesRequest{Session: session, Params: p, Extra: extra}, ref
	case "completion/complete":
		p, ref := decodeParams[mcp.CompleteParams](params, true)
		return &mcp.CompleteRequest{Session: session, Params: p, Extra: extra}, ref
	}
	return nil, nil
}

func decodeParams[T any](params json.RawMessage, needed bool) (*T, *refusal) {
	p := new(T)
	if params == nil || string(params) == "null" {
		if needed {
			return nil, invalidParams("params is missing")
		}
		return p, nil
	}
	if json.Unmarshal(params, p) != nil {
		return nil, invalidParams("params do not fit the method")
	}
	return p, nil
}

// serve calls the handler. A panic is an error.
func (d *dispatcher) serve(ctx context.Context, method string, req mcp.Request) (res mcp.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			res, err = nil, mcperrors.Wrap(mcperrors.Internal, "", fmt.Errorf("panic: %v", v))
		}
	}()
	return d.next(ctx, method, req)
}
