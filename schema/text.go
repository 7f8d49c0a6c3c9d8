package schema

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// DecodeText reads a T from texts, such as the arguments of a prompt or the
// variables of a URI, and checks it as [Schema.Decode] does.
//
// A text is taken as it is where the schema allows a string, and as JSON where
// it does not: 42 for an integer, true for a boolean, [1,2] for an array. An
// empty text for something that is no string counts as left out.
func (s *Schema[T]) DecodeText(texts map[string]string) (T, error) {
	return s.Decode(s.textToJSON(texts))
}

func (c *core) textToJSON(texts map[string]string) []byte {
	out := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		var n *node
		if i := c.root.property([]byte(name)); i >= 0 {
			n = c.root.props[i].node
		} else {
			n = c.root.other
		}
		plain := n == nil || n.takesText(text)
		if text == "" && !plain {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendText(out, name), ':')
		if value := strings.TrimSpace(text); !plain && strictjson.Check([]byte(value), maxDepth) == nil {
			out = append(out, value...)
		} else {
			out = appendText(out, text)
		}
	}
	return append(out, '}')
}

// takesText reports whether text can stand for a string.
func (n *node) takesText(text string) bool {
	if !n.accepts(typeString) {
		return false
	}
	if n.types != 0 || n.enum == nil {
		return true
	}
	return n.hasLiteral(func(l literal) bool { return l.kind == typeString && l.text == text })
}

// appendText keeps invalid UTF-8, for Decode to refuse.
func appendText(out []byte, text string) []byte {
	if !utf8.ValidString(text) {
		return append(append(append(out, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) //nolint:errchkjson // a string
	return append(out, quoted...)
}
