package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

const (
	// maxMethod and maxID bound, in bytes as written, what is repeated in
	// answers and logs.
	maxMethod = 256
	maxID     = 256
	// maxInteger is the largest id that every JSON parser, and go-sdk, reads
	// exactly.
	maxInteger = 1<<53 - 1
)

// A message is one JSON-RPC message whose envelope is sound. Its bytes are
// parts of what was read.
type message struct {
	id     json.RawMessage // as sent; nil for a notification
	method string          // empty for a response
	params json.RawMessage // an object, null or nil
	result json.RawMessage // of a response
	err    json.RawMessage // of a response
}

func (m *message) isCall() bool     { return m.method != "" && m.id != nil }
func (m *message) isResponse() bool { return m.method == "" }

// isListen reports whether m opens a stream that ends only when it is ended.
func (m *message) isListen() bool { return m.method == methodListen && m.id != nil }

// checkJSON refuses what is not exactly one JSON value.
func checkJSON(data []byte, maxDepth int) *refusal {
	err := strictjson.Check(data, maxDepth)
	if err == nil {
		return nil
	}
	var e *strictjson.Error
	if !errors.As(err, &e) {
		return parseError("invalid JSON")
	}
	switch {
	case e.Kind == strictjson.Duplicate:
		return invalidRequest(e.Error()).withID(idDespiteDuplicate(data, e.Key))
	case e.Kind == strictjson.Empty:
		return parseError("no message")
	case isHugeID(data, e.Offset):
		return invalidRequest("id is out of range")
	}
	return parseError(e.Error())
}

// idDespiteDuplicate finds the id of a message that is sound but for a
// duplicate key, so that the caller can tell which request failed.
func idDespiteDuplicate(data []byte, key string) json.RawMessage {
	if key == "id" {
		return nil
	}
	var envelope struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(data, &envelope) != nil || !isID(envelope.ID) {
		return nil
	}
	return envelope.ID
}

// isHugeID reports whether the number at offset is refused as an id rather
// than as JSON: the grammar allows 1e400, no float64 holds it.
func isHugeID(data []byte, offset int) bool {
	if offset >= len(data) || (data[offset] != '-' && (data[offset] < '0' || data[offset] > '9')) {
		return false
	}
	before, ok := bytes.CutSuffix(bytes.TrimRight(data[:offset], " \t\r\n"), []byte(":"))
	return ok && bytes.HasSuffix(bytes.TrimRight(before, " \t\r\n"), []byte(`"id"`))
}

// parseMessage reads the envelope of data, which checkJSON accepted.
func parseMessage(data []byte) (*message, *refusal) {
	m := &message{}
	if ref := m.parse(data); ref != nil {
		return nil, ref
	}
	return m, nil
}

// parse is parseMessage into m, which is empty.
func (m *message) parse(data []byte) *refusal {
	if i := strictjson.SkipSpace(data, 0); i >= len(data) || data[i] != '{' {
		return invalidRequest("a message is a JSON object")
	}
	var version, method, id json.RawMessage
	for key, value := range strictjson.Members(data) {
		switch string(key) {
		case "jsonrpc":
			version = value
		case "id":
			id = value
		case "method":
			method = value
		case "params":
			m.params = value
		case "result":
			m.result = value
		case "error":
			if string(value) != "null" { // what some clients send beside a result
				m.err = value
			}
		default:
			if known := variantOf(key); known != "" {
				return invalidRequest(fmt.Sprintf("a key is spelled %q", known))
			}
		}
	}
	if id != nil {
		if !isID(id) {
			return strayIf(method == nil, invalidRequest("id must be a short string or an integer up to 2^53"))
		}
		m.id = id
	}
	if r := m.check(version, method); r != nil {
		return strayIf(method == nil && (m.result != nil || m.err != nil), r.withID(m.id))
	}
	return nil
}

func strayIf(stray bool, r *refusal) *refusal {
	r.stray = stray
	return r
}

// check completes m and says what is wrong with it, apart from the id.
func (m *message) check(version, method json.RawMessage) *refusal {
	if text, ok := text(version); !ok || text != "2.0" {
		return invalidRequest(`jsonrpc must be "2.0"`)
	}
	if method == nil {
		return m.checkResponse()
	}
	if m.result != nil || m.err != nil {
		return invalidRequest("a request has neither result nor error")
	}
	var ok bool
	if len(method) > maxMethod {
		return invalidRequest(fmt.Sprintf("method is longer than %d bytes", maxMethod))
	}
	if m.method, ok = methodText(method); !ok || m.method == "" {
		return invalidRequest("method must be a string")
	}
	if m.params != nil && m.params[0] != '{' && string(m.params) != "null" {
		return invalidParams("params must be an object")
	}
	return nil
}

func (m *message) checkResponse() *refusal {
	switch {
	case m.result == nil && m.err == nil:
		return invalidRequest("method is missing")
	case m.id == nil:
		return invalidRequest("a response needs the id of its request")
	case m.result != nil && m.err != nil:
		return invalidRequest("a response has either result or error")
	case m.err != nil:
		if _, ok := m.wireError(); !ok {
			return invalidRequest("error needs an integer code and a message")
		}
	}
	return nil
}

// wireError decodes the error of a response.
func (m *message) wireError() (*jsonrpc.Error, bool) {
	var e struct {
		Code    *int64          `json:"code"`
		Message *string         `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	err := json.Unmarshal(m.err, &e)
	if ok := err == nil && e.Code != nil && e.Message != nil; !ok {
		return nil, false
	}
	return &jsonrpc.Error{Code: *e.Code, Message: *e.Message, Data: e.Data}, true
}

// variantOf returns the known envelope key that key is another spelling of.
func variantOf(key []byte) string {
	for _, known := range [...]string{"jsonrpc", "id", "method", "params", "result", "error"} {
		if strings.EqualFold(known, string(key)) {
			return known
		}
	}
	return ""
}

// text returns the string that value holds.
func text(value json.RawMessage) (string, bool) {
	b, ok := textBytes(value)
	return string(b), ok
}

// textBytes is text as a part of value, if nothing in it is escaped.
func textBytes(value json.RawMessage) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	return strictjson.Unescape(value[1 : len(value)-1]), true
}

// methodText is text, without a copy for what is called most.
func methodText(value json.RawMessage) (string, bool) {
	switch string(value) {
	case `"tools/call"`:
		return "tools/call", true
	case `"tools/list"`:
		return "tools/list", true
	case `"resources/read"`:
		return "resources/read", true
	case `"prompts/get"`:
		return "prompts/get", true
	}
	return text(value)
}

// isID reports whether value can be the id of a request: a string or an
// integer, small enough to be sent back exactly.
func isID(value json.RawMessage) bool {
	if len(value) == 0 || len(value) > maxID {
		return false
	}
	if value[0] == '"' {
		return true
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return err == nil && math.Abs(float64(n)) <= maxInteger
}

// idKey returns the same text for every spelling of an id, and another for
// every other id.
func idKey(id json.RawMessage) string {
	if s, ok := text(id); ok {
		return "s" + s
	}
	n, _ := strconv.ParseInt(string(id), 10, 64)
	return "n" + strconv.FormatInt(n, 10)
}

// sameID reports whether two spellings are one id. Those of integers differ for
// 0 and -0 only, and those of strings by their escapes.
func sameID(a, b json.RawMessage) bool {
	switch {
	case bytes.Equal(a, b):
		return true
	case a[0] != '"' && b[0] != '"':
		return string(a) == "-0" && b[0] == '0' || string(b) == "-0" && a[0] == '0'
	case bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0:
		return false
	}
	return idKey(a) == idKey(b)
}

// sdkID returns id as go-sdk has it.
func sdkID(id json.RawMessage) jsonrpc.ID {
	var made jsonrpc.ID
	if s, ok := text(id); ok {
		made, _ = jsonrpc.MakeID(s)
	} else if n, err := strconv.ParseInt(string(id), 10, 64); err == nil {
		made, _ = jsonrpc.MakeID(float64(n))
	}
	return made
}
