package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/strictjson"
)

var errNoResult = errors.New("transport: the handler returned neither a result nor an error")

// appendResult appends the whole JSON-RPC response to request id, as one line.
// A modern one gets its resultType and, in _meta, the server's information.
// res is shared with others and not changed.
func appendResult(dst []byte, id json.RawMessage, _ string, res mcp.Result, modern bool, serverInfo json.RawMessage) (_ []byte, err error) {
	if isNilResult(res) {
		return dst, errNoResult
	}
	dst = append(appendID(dst, id), `,"result":`...)
	if tool, ok := res.(*mcp.CallToolResult); ok {
		if dst, err = appendToolResult(dst, tool, modern, serverInfo); err != nil {
			return dst, err
		}
		return append(dst, '}'), nil
	}
	data, err := json.Marshal(res)
	if err != nil {
		return dst, fmt.Errorf("transport: encoding %T: %w", res, err)
	}
	if modern {
		dst = appendModern(dst, data, res, serverInfo)
	} else {
		dst = append(dst, data...)
	}
	return append(dst, '}'), nil
}

func appendID(dst []byte, id json.RawMessage) []byte {
	if id == nil {
		id = json.RawMessage("null")
	}
	return append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
}

// isNilResult also finds the typed nil that go-sdk's wrappers return.
func isNilResult(res mcp.Result) bool {
	switch res := res.(type) {
	case nil:
		return true
	case *mcp.CallToolResult: // the frequent one, without reflection
		return res == nil
	}
	v := reflect.ValueOf(res)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

const completeType = `"resultType":"complete"`

// appendModern appends the encoded result with what 2026-07-28 adds.
func appendModern(dst, data []byte, res mcp.Result, serverInfo json.RawMessage) []byte {
	if string(data) == "{}" { // go-sdk's empty result, which has no _meta
		return append(dst, data...)
	}
	switch res.(type) {
	case *mcp.ListToolsResult, *mcp.ListPromptsResult, *mcp.ListResourcesResult, *mcp.ListResourceTemplatesResult:
		// Lists are long, so they are not walked. go-sdk writes the type first.
		if len(res.GetMeta()) == 0 && !bytes.HasPrefix(data, []byte(`{"resultType":`)) {
			dst = append(dst, `{`+completeType+`,"_meta":`...)
			dst = append(appendServerInfo(dst, nil, serverInfo), ',')
			return append(dst, data[1:]...)
		}
	}
	typed, described := false, false
	dst = append(dst, '{')
	for key, value := range strictjson.Members(data) {
		dst = append(appendText(dst, string(key)), ':')
		switch string(key) {
		case "resultType":
			typed = true
		case "_meta":
			described = true
			dst = append(appendServerInfo(dst, value, serverInfo), ',')
			continue
		}
		dst = append(append(dst, value...), ',')
	}
	if !typed {
		dst = append(dst, completeType+`,`...)
	}
	if !described {
		dst = append(appendServerInfo(append(dst, `"_meta":`...), nil, serverInfo), ',')
	}
	dst[len(dst)-1] = '}'
	return dst
}

// appendServerInfo appends the object meta, or an empty one for nil, with the
// server's information, unless it has one.
func appendServerInfo(dst, meta []byte, serverInfo json.RawMessage) []byte {
	if meta == nil {
		meta = []byte("{}")
	}
	for key := range strictjson.Members(meta) {
		if string(key) == mcp.MetaKeyServerInfo {
			return append(dst, meta...)
		}
	}
	if serverInfo == nil {
		return append(dst, meta...)
	}
	dst = append(dst, `{"`+mcp.MetaKeyServerInfo+`":`...)
	dst = append(dst, serverInfo...)
	if len(meta) > 2 {
		dst = append(dst, ',')
	}
	return append(dst, meta[1:]...)
}

// encodeError returns the whole JSON-RPC error response to request id, as one
// line. A *jsonrpc.Error goes out as it is, a coded error by its table, and
// anything else as an internal error without its text.
func encodeError(id json.RawMessage, err error) []byte { return appendError(nil, id, err) }

func appendError(dst []byte, id json.RawMessage, err error) []byte {
	dst = append(appendID(dst, id), `,"error":`...)
	data, _ := json.Marshal(wireError(err)) //nolint:errchkjson // wireError saw to it that it encodes
	return append(append(dst, data...), '}')
}

// maxErrorText bounds the text of an error, in bytes.
const maxErrorText = 4 << 10

// wireError returns err as it is sent. An error that panics is internal.
func wireError(err error) (sent *jsonrpc.Error) {
	defer func() {
		if recover() != nil {
			sent = (&mcperrors.Error{Code: mcperrors.Internal}).Wire("", "")
		}
	}()
	wire, ok := err.(*jsonrpc.Error) //nolint:errorlint // the unwrapped case; errors.As follows
	if !ok {
		// A coded error also answers As for *jsonrpc.Error, so it is asked first.
		if _, isCoded := errors.AsType[*mcperrors.Error](err); !isCoded {
			wire, ok = errors.AsType[*jsonrpc.Error](err)
		}
	}
	if !ok || wire == nil {
		e := mcperrors.From(err)
		if e == nil { // a typed nil
			e = &mcperrors.Error{Code: mcperrors.Internal}
		}
		return e.Wire("", "")
	}
	if len(wire.Message) <= maxErrorText && (len(wire.Data) == 0 || json.Valid(wire.Data)) {
		return wire
	}
	sent = &jsonrpc.Error{Code: wire.Code, Message: wire.Message, Data: wire.Data}
	if len(sent.Message) > maxErrorText {
		sent.Message = "the request failed" // such texts repeat what the client sent
	}
	if !json.Valid(sent.Data) {
		sent.Data = nil
	}
	return sent
}
