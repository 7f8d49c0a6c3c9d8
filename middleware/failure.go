package middleware

import (
	"encoding/json"
	"errors"
	"reflect"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/toolresult"
)

// ErrorMetaKey is the _meta entry of an isError result that holds the
// [mcperrors.Data] of its error, so that programs can read the code.
const ErrorMetaKey = toolresult.ErrorMetaKey

// errTool stands for an isError result that says nothing but its text.
var errTool = errors.New("the tool answered with an error result")

// Failure reports why a call failed, or nil if it succeeded. It is the one
// place that knows how many shapes a failure has: an error, whose result may
// then be a typed nil and is not looked at, or a result with isError set. Of
// the latter it returns the error kept by SetError, else the coded error that
// the result's _meta tells, else an error without a code.
func Failure(res mcp.Result, err error) error {
	if err != nil {
		return err
	}
	tool, ok := res.(*mcp.CallToolResult)
	if !ok || tool == nil || !tool.IsError {
		return nil
	}
	if err := tool.GetError(); err != nil {
		return err
	}
	if told, ok := tool.Meta[ErrorMetaKey]; ok {
		return decodeMeta(told, firstText(tool))
	}
	return errTool
}

// decodeMeta reads what [Errors] wrote into _meta; told is a Data, or a map
// where the result was encoded on its way.
func decodeMeta(told any, text string) error {
	raw, err := json.Marshal(told)
	if err != nil {
		return errTool
	}
	return mcperrors.From(&jsonrpc.Error{Message: text, Data: raw})
}

func firstText(res *mcp.CallToolResult) string {
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok && t != nil {
			return t.Text
		}
	}
	return ""
}

// isNil reports whether v, an interface of the SDK, is nil or a typed nil.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	rv := reflect.ValueOf(v)
	return rv.Kind() == reflect.Pointer && rv.IsNil()
}
