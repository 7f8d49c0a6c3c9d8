package httptool

import (
	"encoding/json"
	"math/big"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// appendJSON writes the JSON that a node stands for. Keys keep their order.
func appendJSON(out []byte, m *mistakes, path string, n *yaml.Node, depth int) []byte {
	if depth > maxNesting {
		m.addLine(n.Line, path, "nested more than %d deep", maxNesting)
		return append(out, "null"...)
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		m.addLine(n.Line, path, "anchors, aliases and tags are not allowed")
		return append(out, "null"...)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return appendObject(out, m, path, n, depth)
	case yaml.SequenceNode:
		out = append(out, '[')
		for i, item := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSON(out, m, path+"["+strconv.Itoa(i)+"]", item, depth+1)
		}
		return append(out, ']')
	default:
		return appendScalar(out, m, path, n)
	}
}

func appendObject(out []byte, m *mistakes, path string, n *yaml.Node, depth int) []byte {
	seen := make(map[string]bool, len(n.Content)/2)
	out = append(out, '{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			m.addLine(key.Line, path, "a key that is no text")
			continue
		case seen[key.Value]:
			m.addLine(key.Line, join(path, key.Value), "there twice")
			continue
		}
		if len(seen) > 0 {
			out = append(out, ',')
		}
		seen[key.Value] = true
		out = appendText(out, key.Value)
		out = append(out, ':')
		out = appendJSON(out, m, join(path, key.Value), value, depth+1)
	}
	return append(out, '}')
}

func appendScalar(out []byte, m *mistakes, path string, n *yaml.Node) []byte {
	switch n.ShortTag() {
	case "!!null":
		return append(out, "null"...)
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			m.addLine(n.Line, path, "neither true nor false")
		}
		return strconv.AppendBool(out, b)
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return append(out, n.Value...)
		}
		if i, ok := new(big.Int).SetString(n.Value, 0); ok { // +1, 0x1f
			return i.Append(out, 10)
		}
		m.addLine(n.Line, path, "a number that JSON does not have")
		return append(out, "null"...)
	default: // also what looks like a time
		return appendText(out, n.Value)
	}
}

func appendText(out []byte, s string) []byte {
	quoted, _ := json.Marshal(s) //nolint:errchkjson // a string
	return append(out, quoted...)
}
