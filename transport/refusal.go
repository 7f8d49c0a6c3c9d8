package transport

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A refusal is the answer to a message that no handler will see.
type refusal struct {
	status int             // HTTP status; over stdio it is not used
	id     json.RawMessage // of the request, as sent; nil where it cannot be read
	err    *jsonrpc.Error
	after  time.Duration // when a retry may succeed, zero if unknown

	// stray is set when the message was itself an answer. Over stdio nobody is
	// told then: two peers that refuse each other's refusals would never stop.
	stray bool
}

func refuse(status int, code int64, typ mcperrors.Code, text string) *refusal {
	data, _ := json.Marshal(mcperrors.Data{Type: typ}) //nolint:errchkjson // one string
	return &refusal{status: status, err: &jsonrpc.Error{Code: code, Message: text, Data: data}}
}

func parseError(text string) *refusal {
	return refuse(http.StatusBadRequest, jsonrpc.CodeParseError, mcperrors.Validation, text)
}

func invalidRequest(text string) *refusal {
	return refuse(http.StatusBadRequest, jsonrpc.CodeInvalidRequest, mcperrors.Validation, text)
}

func invalidParams(text string) *refusal {
	return refuse(http.StatusBadRequest, jsonrpc.CodeInvalidParams, mcperrors.Validation, text)
}

// headerMismatch is for headers that do not say what the body says, as
// 2026-07-28 asks.
func headerMismatch(text string) *refusal {
	return refuse(http.StatusBadRequest, mcp.CodeHeaderMismatch, mcperrors.Validation, text)
}

// sessionNotFound answers guessed, expired, deleted and foreign sessions alike,
// so that nobody learns which ids exist.
func sessionNotFound() *refusal {
	return refuse(http.StatusNotFound, jsonrpc.CodeInvalidRequest, mcperrors.NotFound, "session not found")
}

// coded is the refusal for e at protocol version.
func coded(e *mcperrors.Error, version string) *refusal {
	return &refusal{status: e.Code.HTTPStatus(version), err: e.Wire("", version), after: e.RetryAfter}
}

// withID returns r as the answer to the request id.
func (r *refusal) withID(id json.RawMessage) *refusal {
	r.id = id
	return r
}

// encode returns r as one JSON-RPC message without a newline.
func (r *refusal) encode() []byte {
	id := r.id
	if id == nil {
		id = json.RawMessage("null")
	}
	data, _ := json.Marshal(struct { //nolint:errchkjson // id was checked, the error is made of strings
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   *jsonrpc.Error  `json:"error"`
	}{"2.0", id, r.err})
	return data
}
