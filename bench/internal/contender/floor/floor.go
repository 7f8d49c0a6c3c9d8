// Package floor is the contender that uses no MCP library: a handler on
// net/http and encoding/json, as a careful person writes one by hand for just
// these tools. What it does not do, nobody who needs only them would miss.
package floor

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"strconv"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
)

// Flags are the contender's.
func Flags(fs *flag.FlagSet) func() (http.Handler, error) {
	tools := fs.Int("tools", 0, "serve this many `tools` more")
	return func() (http.Handler, error) { return New(*tools), nil }
}

const (
	modern  = "2026-07-28"
	legacy  = "2025-11-25"
	maxBody = 4 << 20
)

// Codes of JSON-RPC, and of the specification for headers that differ.
const (
	parseError     = -32700
	invalidRequest = -32600
	methodNotFound = -32601
	invalidParams  = -32602
	headerMismatch = -32020
)

type handler struct{ tools []fixture.Tool }

// New returns the handler with extra tools in its list.
func New(extra int) http.Handler { return &handler{fixture.Tools(extra)} }

type request struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

type response struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
		return
	}
	var req request
	if err := json.Unmarshal(body, &req); err != nil {
		refuse(w, json.RawMessage("null"), http.StatusBadRequest, parseError, "parse error")
		return
	}
	if req.JSONRPC != "2.0" || req.Method == "" {
		refuse(w, json.RawMessage("null"), http.StatusBadRequest, invalidRequest, "invalid request")
		return
	}
	if req.ID == nil { // a notification
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if r.Header.Get("Mcp-Protocol-Version") >= modern {
		h.serveModern(w, r, &req)
		return
	}
	h.serveLegacy(w, &req)
}

func (h *handler) serveLegacy(w http.ResponseWriter, req *request) {
	var result any
	var fault *rpcError
	switch req.Method {
	case "initialize":
		result = initializeResult{
			ProtocolVersion: legacy,
			Capabilities:    json.RawMessage(`{"tools":{}}`),
			ServerInfo:      self,
		}
	case "tools/list":
		result = listResult{Tools: h.tools}
	case "tools/call":
		var p callParams
		if json.Unmarshal(req.Params, &p) != nil {
			fault = badParams
			break
		}
		result, fault = call(&p, false)
	default:
		fault = &rpcError{methodNotFound, "method not found"}
	}
	answer(w, req.ID, result, fault)
}

func answer(w http.ResponseWriter, id json.RawMessage, result any, fault *rpcError) {
	if fault != nil {
		refuse(w, id, http.StatusOK, fault.Code, fault.Message)
		return
	}
	write(w, http.StatusOK, &response{JSONRPC: "2.0", ID: id, Result: result})
}

func refuse(w http.ResponseWriter, id json.RawMessage, status, code int, message string) {
	write(w, status, &response{JSONRPC: "2.0", ID: id, Error: &rpcError{code, message}})
}

func write(w http.ResponseWriter, status int, res *response) {
	data, err := json.Marshal(res)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may be gone
}
