package transport

import (
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// decodeInitialize decodes the parameters of initialize, which checkJSON
// accepted, as go-sdk does where it reads them itself.
func (d *dispatcher) decodeInitialize(params json.RawMessage) (*mcp.InitializeParams, *refusal) {
	if params == nil || params[0] != '{' {
		return nil, invalidParams("params are missing")
	}
	p := &mcp.InitializeParams{}
	for key, value := range strictjson.Members(params) {
		var ref *refusal
		switch string(key) {
		case "protocolVersion":
			ref = decodeText(&p.ProtocolVersion, key, value)
		case "clientInfo":
			ref = decodeJSON(&p.ClientInfo, key, value)
		case "capabilities":
			ref = decodeCapabilities(&p.Capabilities, key, value)
		case "_meta":
			ref = d.decodeMeta(&p.Meta, value)
		}
		if ref != nil {
			return nil, ref
		}
	}
	return p, nil
}

// decodeCapabilities also finds out whether there are roots at all, which
// encoding/json cannot put into RootsV2.
func decodeCapabilities(to **mcp.ClientCapabilities, key, value []byte) *refusal {
	var c *struct {
		mcp.ClientCapabilities
		Roots *mcp.RootCapabilities `json:"roots"`
	}
	if ref := decodeJSON(&c, key, value); ref != nil || c == nil {
		return ref
	}
	if c.RootsV2 = c.Roots; c.Roots != nil {
		c.ClientCapabilities.Roots = *c.Roots //nolint:staticcheck // go-sdk fills it, too
	}
	*to = &c.ClientCapabilities
	return nil
}
