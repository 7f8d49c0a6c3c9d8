package server

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/toolresult"
	"github.com/trestle-mcp/trestle/schema"
)

// output turns what a typed handler returns into a tool result.
type output[Out any] struct {
	schema any // what clients see; nil for none
	encode func(Out) (json.RawMessage, error)
}

// wrapped holds a value that is not an object in an object.
type wrapped[Out any] struct {
	Result Out `json:"result"`
}

func newOutput[Out any]() (output[Out], error) { return newOutputFor[Out](nil) }

func newOutputFor[Out any](override any) (output[Out], error) {
	t := reflect.TypeFor[Out]()
	if override == nil {
		if t.Kind() == reflect.Interface || t.Kind() == reflect.String || sentAsIs[Out]() {
			return output[Out]{encode: func(v Out) (json.RawMessage, error) { return json.Marshal(v) }}, nil
		}
		s, err := schema.For[Out](nil)
		if err != nil {
			return output[Out]{}, fmt.Errorf("result: %w", err)
		}
		if t.Kind() != reflect.Pointer {
			if !isObjectSchema(s.JSON()) {
				return wrappedOutput[Out]()
			}
			return output[Out]{schema: s.JSON(), encode: s.Encode}, nil
		}
		if override = nonNullObject(s.JSON()); override == nil {
			return wrappedOutput[Out]()
		}
	}
	s, err := schema.For[Out](&schema.Options{JSONSchema: override})
	if err != nil {
		return output[Out]{}, fmt.Errorf("result: %w", err)
	}
	return output[Out]{schema: s.JSON(), encode: s.Encode}, nil
}

func wrappedOutput[Out any]() (output[Out], error) {
	s, err := schema.For[wrapped[Out]](nil)
	if err != nil {
		return output[Out]{}, fmt.Errorf("result: %w", err)
	}
	return output[Out]{
		schema: s.JSON(),
		encode: func(v Out) (json.RawMessage, error) { return s.Encode(wrapped[Out]{v}) },
	}, nil
}

// nonNullObject returns the schema of a pointer without null, which is not a
// result, or nil if what it points to is not an object.
func nonNullObject(raw json.RawMessage) any {
	var s map[string]json.RawMessage
	var types []string
	if json.Unmarshal(raw, &s) != nil || json.Unmarshal(s["type"], &types) != nil || !slices.Contains(types, "object") {
		return nil
	}
	s["type"] = json.RawMessage(`"object"`)
	return s
}

func sentAsIs[Out any]() bool {
	var zero Out
	switch any(zero).(type) {
	case *mcp.CallToolResult, []mcp.Content:
		return true
	}
	return reflect.TypeFor[Out]().Implements(reflect.TypeFor[mcp.Content]())
}

// result is the answer of a handler that returned v.
func (o output[Out]) result(v Out) (*mcp.CallToolResult, error) {
	switch v := any(v).(type) {
	case *mcp.CallToolResult:
		return toolresult.Encodable(v)
	case mcp.Content:
		return toolresult.Encodable(&mcp.CallToolResult{Content: []mcp.Content{v}})
	case []mcp.Content:
		return toolresult.Encodable(&mcp.CallToolResult{Content: v})
	case nil:
		return new(mcp.CallToolResult), nil
	}
	if s := reflect.ValueOf(v); s.Kind() == reflect.String && o.schema == nil {
		return textResult(s.String()), nil
	}
	return o.merge(nil, v)
}

// merge adds v to res as structured content and, if there is no other, text.
// A result that asks for input carries neither.
func (o output[Out]) merge(res *mcp.CallToolResult, v Out) (*mcp.CallToolResult, error) {
	if any(v) == nil || (res != nil && (res.InputRequests != nil || res.IsError || res.StructuredContent != nil)) {
		return toolresult.Encodable(res)
	}
	raw, err := o.encode(v)
	if err != nil {
		return nil, fmt.Errorf("encoding the tool's result: %w", err)
	}
	var out *mcp.CallToolResult
	if res == nil {
		out = textResult(string(raw))
	} else if out, err = toolresult.Own(res); err != nil {
		return nil, err
	}
	if raw[0] == '{' || o.schema != nil {
		out.StructuredContent = raw
	}
	if out.Content == nil {
		out.Content = []mcp.Content{&mcp.TextContent{Text: string(raw)}}
	}
	return out, nil
}

// textResult returns a result that says text, in one allocation.
func textResult(text string) *mcp.CallToolResult {
	r := &struct {
		result  mcp.CallToolResult
		content [1]mcp.Content
		text    mcp.TextContent
	}{}
	r.text.Text = text
	r.content[0] = &r.text
	r.result.Content = r.content[:]
	return &r.result
}

func rawSchema(s interface{ JSON() json.RawMessage }) any {
	if v := reflect.ValueOf(s); !v.IsValid() || v.IsNil() {
		return nil
	}
	return s.JSON()
}
