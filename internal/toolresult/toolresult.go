// Package toolresult makes the results of tools safe to hand to go-sdk.
package toolresult

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// ErrorMetaKey is where _meta of a result that is an error has the error's code.
const ErrorMetaKey = "io.github.trestle-mcp/error"

// Own returns a copy of a handler's result: the SDK writes into what it sends,
// and a handler may return the same result to many calls. A nil result is an
// empty one.
func Own(res *mcp.CallToolResult) (*mcp.CallToolResult, error) {
	if res == nil {
		return new(mcp.CallToolResult), nil
	}
	if slices.ContainsFunc(res.Content, IsNil) {
		return nil, errors.New("the tool's result has nil content")
	}
	out := *res
	out.Meta = maps.Clone(res.Meta)
	return &out, nil
}

// Encodable is [Own], for results whose structured content is not known to be
// sound: the SDK encodes outside of every middleware, where a panic ends the
// process and a failure leaves the client without an answer.
func Encodable(res *mcp.CallToolResult) (*mcp.CallToolResult, error) {
	out, err := Own(res)
	if err != nil {
		return nil, err
	}
	switch c := out.StructuredContent.(type) {
	case nil:
		return out, nil
	case json.RawMessage:
		if json.Valid(c) {
			return out, nil
		}
		return nil, errors.New("the tool's structured content is not JSON")
	}
	raw, err := json.Marshal(out.StructuredContent)
	if err != nil {
		return nil, fmt.Errorf("encoding the tool's structured content: %w", err)
	}
	out.StructuredContent = json.RawMessage(raw)
	return out, nil
}

// IsNil reports whether c is nil, or holds a nil pointer.
func IsNil(c mcp.Content) bool {
	return c == nil || reflect.ValueOf(c).IsNil()
}
