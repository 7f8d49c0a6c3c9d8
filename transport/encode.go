package transport

import (
	"encoding/json"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// appendResult appends the JSON-RPC response that holds res, on one line.
func appendResult(dst []byte, id json.RawMessage, _ string, res mcp.Result, _ bool, _ json.RawMessage) ([]byte, error) {
	data, err := json.Marshal(res)
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	return append(append(append(dst, `,"result":`...), data...), '}'), nil
}

// appendError appends the JSON-RPC response that holds err, on one line.
func appendError(dst []byte, id json.RawMessage, err error) []byte {
	wire, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok {
		wire = mcperrors.From(err).Wire("", "")
	}
	if id == nil {
		id = json.RawMessage("null")
	}
	data, bad := json.Marshal(wire)
	if bad != nil {
		data, _ = json.Marshal(&jsonrpc.Error{Code: wire.Code, Message: wire.Message}) //nolint:errchkjson // no data
	}
	dst = append(append(dst, `{"jsonrpc":"2.0","id":`...), id...)
	return append(append(append(dst, `,"error":`...), data...), '}')
}
