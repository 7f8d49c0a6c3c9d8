package errors

import (
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/trestle-mcp/trestle/internal/challenge"
)

// maxText bounds a message on the wire, in bytes, so that nothing large a
// caller sent comes back to it inside an error.
const maxText = 4 << 10

// Data is the data member of an error on the wire.
type Data struct {
	Type         Code           `json:"type"`
	Details      map[string]any `json:"details,omitempty"`
	Scopes       []string       `json:"scopes,omitempty"`    // see [Error.Scopes]
	Timestamp    string         `json:"timestamp,omitempty"` // RFC 3339, UTC
	RequestID    string         `json:"requestId,omitempty"`
	RetryAfterMs int64          `json:"retryAfterMs,omitempty"` // rounded up
	URI          string         `json:"uri,omitempty"`
}

// scopes returns the sound ones of e.Scopes, of a code that has any.
func (e *Error) scopes() []string {
	if c := e.code(); c != Unauthenticated && c != Authorization {
		return nil
	}
	unsound := func(s string) bool { return !challenge.ValidScope(s) }
	if !slices.ContainsFunc(e.Scopes, unsound) {
		return e.Scopes
	}
	return slices.DeleteFunc(slices.Clone(e.Scopes), unsound)
}

// Text returns the public message as it is sent: never the cause, and at most
// 4 KiB of valid UTF-8.
func (e *Error) Text() string { return clip(e.text()) }

// Data returns what is sent beside the message.
func (e *Error) Data() Data {
	d := Data{Type: e.code(), RequestID: e.RequestID, Scopes: e.scopes()}
	if d.Type != Internal {
		d.Details = e.Details
		d.URI, _ = e.Details["uri"].(string)
	}
	if !e.Time.IsZero() {
		d.Timestamp = e.Time.UTC().Format(time.RFC3339Nano)
	}
	if e.RetryAfter > 0 {
		d.RetryAfterMs = int64((e.RetryAfter + time.Millisecond - 1) / time.Millisecond)
	}
	return d
}

// Wire returns e as the JSON-RPC error that answers a call of method at
// protocol version. Details that do not encode as JSON are left out.
func (e *Error) Wire(method, version string) *jsonrpc.Error {
	data := e.Data()
	raw, err := json.Marshal(data)
	if err != nil {
		data.Details = nil
		raw, _ = json.Marshal(data) //nolint:errchkjson // only strings and numbers are left
	}
	return &jsonrpc.Error{Code: e.code().JSONRPC(method, version), Message: e.Text(), Data: raw}
}

// decode is the inverse of Wire, as far as the wire tells.
func decode(wire *jsonrpc.Error) *Error {
	var d Data
	_ = json.Unmarshal(wire.Data, &d) // foreign data leaves d empty
	e := &Error{
		Code: d.Type, Message: wire.Message, Details: d.Details, RequestID: d.RequestID, Scopes: d.Scopes,
		RetryAfter: time.Duration(d.RetryAfterMs) * time.Millisecond,
	}
	if _, known := table[d.Type]; !known {
		e.Code, e.Details, e.Scopes = foreign(wire.Code), nil, nil
	}
	e.Time, _ = time.Parse(time.RFC3339Nano, d.Timestamp)
	return e
}

// foreign guesses the code of a JSON-RPC error made elsewhere.
func foreign(code int64) Code {
	switch code {
	case jsonrpc.CodeParseError, jsonrpc.CodeInvalidRequest, jsonrpc.CodeInvalidParams:
		return Validation
	case jsonrpc.CodeMethodNotFound, codeResourceNotFound:
		return NotFound
	case table[Unavailable].rpc:
		return Unavailable
	}
	for c, m := range table {
		if m.rpc == code {
			return c
		}
	}
	return Internal
}

func clip(s string) string {
	if len(s) > maxText {
		const mark = "…"
		s = s[:maxText-len(mark)]
		for s != "" && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if r, n := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && n == 1 {
			s = s[:len(s)-1]
		}
		s += mark
	}
	return s
}
