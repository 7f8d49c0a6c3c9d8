package transport

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// A paramHeader says that a header repeats an argument, by the annotation
// x-mcp-header in a tool's input schema.
type paramHeader struct {
	path   []string // of the argument
	header string
}

// maxSchemaDepth bounds how deep annotations are looked for.
const maxSchemaDepth = 64

// paramHeadersOf returns the annotations in the input schema of a tool.
func paramHeadersOf(tool *mcp.Tool) []paramHeader {
	raw, ok := tool.InputSchema.(json.RawMessage)
	if !ok {
		raw, _ = json.Marshal(tool.InputSchema) //nolint:errchkjson // what does not encode has no annotations
	}
	if !strings.Contains(string(raw), "x-mcp-header") {
		return nil
	}
	return annotations(nil, raw, nil)
}

func annotations(found []paramHeader, schema json.RawMessage, path []string) []paramHeader {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(schema, &s) != nil || len(path) > maxSchemaDepth {
		return found
	}
	for name, property := range s.Properties {
		var annotated struct {
			Header string `json:"x-mcp-header"`
		}
		below := slices.Concat(path, []string{name})
		if json.Unmarshal(property, &annotated) == nil && annotated.Header != "" {
			found = append(found, paramHeader{below, annotated.Header})
		}
		found = annotations(found, property, below)
	}
	return found
}

// check refuses headers that do not say what the arguments say.
func (p paramHeader) check(h http.Header, arguments json.RawMessage) *refusal {
	values := h[http.CanonicalHeaderKey(headerParam+p.header)]
	sent := len(values) > 0 && values[0] != ""
	value := lookup(arguments, p.path)
	name := headerParam + clip(p.header)
	switch {
	case value == nil && sent:
		return headerMismatch(name + " repeats an argument that is not there")
	case value == nil:
		return nil
	case !sent:
		return headerMismatch(name + " is missing")
	}
	got, err := decodeHeader(values[0])
	if err != nil {
		return headerMismatch(name + " is in bad base64")
	}
	if !repeats(got, value) {
		return headerMismatch(name + " differs from the argument")
	}
	return nil
}

// lookup returns the argument at path, or nil if it is absent or null.
func lookup(value json.RawMessage, path []string) json.RawMessage {
	for _, name := range path {
		var found json.RawMessage
		for key, member := range strictjson.Members(value) {
			if string(key) == name {
				found = member
			}
		}
		value = found
	}
	if string(value) == "null" {
		return nil
	}
	return value
}

// repeats reports whether a header says the same as an argument, which can be a
// string, a boolean or an integer.
func repeats(header string, value json.RawMessage) bool {
	switch value[0] {
	case '"':
		s, _ := text(value)
		return s == header
	case 't', 'f':
		return string(value) == header
	case '{', '[':
		return false
	}
	want, err := strconv.ParseFloat(string(value), 64)
	got, bad := strconv.ParseFloat(header, 64)
	return err == nil && bad == nil && got == want && want == math.Trunc(want) && math.Abs(want) <= maxInteger
}
