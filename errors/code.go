package errors

import (
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/trestle-mcp/trestle/internal/era"
)

// Code says what kind of failure an [Error] is. Clients see it as data.type;
// it never changes once released.
type Code string

// The codes, from what the caller can mend to what the server has to.
const (
	// Validation: the input is wrong and the caller can mend it.
	Validation Code = "validation"
	// Unauthenticated: nobody said, or could prove, who is calling.
	Unauthenticated Code = "unauthenticated"
	// Authorization: the caller is known and may not do this.
	Authorization Code = "authorization"
	// NotFound: there is no such thing, or none the caller may know of.
	NotFound Code = "not_found"
	// Conflict: the request is sound but the state does not allow it.
	Conflict Code = "conflict"
	// RateLimited: the caller asked too often; see [Error.RetryAfter].
	RateLimited Code = "rate_limited"
	// Timeout: the work did not end by its deadline.
	Timeout Code = "timeout"
	// Unavailable: a part the server needs is down or draining; retry.
	Unavailable Code = "unavailable"
	// Exhausted: the server is at its own limit; retry.
	Exhausted Code = "exhausted"
	// Canceled: the caller went away or took the request back.
	Canceled Code = "canceled"
	// Internal: a fault of the server. Its text never reaches the caller.
	Internal Code = "internal"
)

// codeResourceNotFound is what resources/read answered up to 2025-11-25.
const codeResourceNotFound = -32002

// statusClientClosedRequest has no text in any specification; it is what
// proxies write for a caller that left.
const statusClientClosedRequest = 499

// mapping is one row of the table that takes a code to the wire.
type mapping struct {
	rpc        int64  // JSON-RPC error code
	legacy     int    // HTTP status up to 2025-11-25
	modern     int    // HTTP status from 2026-07-28
	toolResult bool   // tools/call: an isError result, which a model can read and mend
	text       string // message where the error has none
}

// table is the only mapping of codes to the wire. Codes of our own lie outside
// JSON-RPC's reserved range, as 2026-07-28 asks of new ones.
var table = map[Code]mapping{
	Validation:      {jsonrpc.CodeInvalidParams, http.StatusOK, http.StatusBadRequest, true, "invalid input"},
	Unauthenticated: {401, http.StatusUnauthorized, http.StatusUnauthorized, false, "authentication required"},
	Authorization:   {403, http.StatusForbidden, http.StatusForbidden, false, "not allowed"},
	NotFound:        {jsonrpc.CodeInvalidParams, http.StatusOK, http.StatusBadRequest, false, "not found"},
	Conflict:        {409, http.StatusOK, http.StatusOK, true, "conflict"},
	RateLimited:     {429, http.StatusTooManyRequests, http.StatusTooManyRequests, false, "too many requests"},
	Timeout:         {504, http.StatusOK, http.StatusOK, true, "timed out"},
	Unavailable:     {503, http.StatusServiceUnavailable, http.StatusServiceUnavailable, false, "unavailable, retry later"},
	Exhausted:       {503, http.StatusServiceUnavailable, http.StatusServiceUnavailable, false, "busy, retry later"},
	Canceled:        {statusClientClosedRequest, statusClientClosedRequest, statusClientClosedRequest, false, "canceled"},
	Internal:        {jsonrpc.CodeInternalError, http.StatusOK, http.StatusOK, false, "internal error"},
}

func (c Code) row() mapping {
	if m, ok := table[c]; ok {
		return m
	}
	return table[Internal]
}

// Codes returns every code, in no order.
func Codes() []Code {
	codes := make([]Code, 0, len(table))
	for c := range table {
		codes = append(codes, c)
	}
	return codes
}

// JSONRPC returns the JSON-RPC error code for a call of method at protocol
// version. An unknown Code counts as [Internal]. Nothing is owed for
// [Canceled]; its value serves where an answer has to be written all the same.
func (c Code) JSONRPC(method, version string) int64 {
	if c == NotFound && method == "resources/read" && !era.IsModern(version) {
		return codeResourceNotFound
	}
	return c.row().rpc
}

// HTTPStatus returns the status of an HTTP answer at protocol version.
func (c Code) HTTPStatus(version string) int {
	if era.IsModern(version) {
		return c.row().modern
	}
	return c.row().legacy
}

// IsToolResult reports whether tools/call answers with an isError result, so
// that the model sees the text, rather than with a JSON-RPC error.
func (c Code) IsToolResult() bool { return c.row().toolResult }
