package floor

import (
	"encoding/json"
	"net/http"
)

// modernParams are what each modern request carries, and what routing headers
// repeat.
type modernParams struct {
	callParams

	Meta struct {
		ProtocolVersion    string          `json:"io.modelcontextprotocol/protocolVersion"`
		ClientCapabilities json.RawMessage `json:"io.modelcontextprotocol/clientCapabilities"`
	} `json:"_meta"`
}

func (h *handler) serveModern(w http.ResponseWriter, r *http.Request, req *request) {
	var p modernParams
	if json.Unmarshal(req.Params, &p) != nil || p.Meta.ClientCapabilities == nil {
		refuse(w, req.ID, http.StatusBadRequest, invalidParams, "invalid params")
		return
	}
	if p.Meta.ProtocolVersion != r.Header.Get("Mcp-Protocol-Version") ||
		req.Method != r.Header.Get("Mcp-Method") || p.Name != r.Header.Get("Mcp-Name") {
		refuse(w, req.ID, http.StatusBadRequest, headerMismatch, "headers differ from the body")
		return
	}
	switch req.Method {
	case "tools/list":
		answer(w, req.ID, modernListResult{
			listResult: listResult{Tools: h.tools}, modernResult: complete, CacheScope: "private",
		}, nil)
	case "tools/call":
		result, fault := call(&p.callParams, true)
		answer(w, req.ID, result, fault)
	default:
		refuse(w, req.ID, http.StatusNotFound, methodNotFound, "method not found")
	}
}
