// Package yamljson reads YAML strictly and writes it as JSON: what JSON cannot
// say, and what says something elsewhere than it is read, is a mistake with its
// line.
package yamljson

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Load returns the root of the only document in text. A panic of the library is
// an error: files may be mended while a program runs.
func Load(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if v := recover(); v != nil {
			root, err = nil, errors.New("the reader panicked")
		}
	}()
	doc := new(yaml.Node)
	// Whoever walks the nodes looks for keys that are there twice.
	if err := yaml.Load(text, doc, yaml.WithV4Defaults(), yaml.WithUniqueKeys(false)); err != nil {
		return nil, err
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return doc, nil
}

// IsPlain reports whether n has neither anchor nor tag, and is no alias.
func IsPlain(n *yaml.Node) bool {
	return n.Kind != yaml.AliasNode && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}

// A Writer writes nodes as JSON.
type Writer struct {
	// MaxDepth is how deep containers may be nested.
	MaxDepth int
	// ScalarKeys takes keys such as 200 for the text that is written there.
	ScalarKeys bool
	// Mistake is told what is wrong, where in the document and at which line.
	// Null is written in its place.
	Mistake func(line int, path, text string)
}

// Append writes n, which is at path, behind out. Keys keep their order.
func (w *Writer) Append(out []byte, path string, n *yaml.Node, depth int) []byte {
	if depth > w.MaxDepth {
		return w.mistake(out, path, n, fmt.Sprintf("nested more than %d deep", w.MaxDepth))
	}
	if !IsPlain(n) {
		return w.mistake(out, path, n, "anchors, aliases and tags are not allowed")
	}
	switch n.Kind {
	case yaml.MappingNode:
		return w.object(out, path, n, depth)
	case yaml.SequenceNode:
		out = append(out, '[')
		for i, item := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			out = w.Append(out, path+"["+strconv.Itoa(i)+"]", item, depth+1)
		}
		return append(out, ']')
	default:
		return w.scalar(out, path, n)
	}
}

func (w *Writer) mistake(out []byte, path string, n *yaml.Node, text string) []byte {
	w.Mistake(n.Line, path, text)
	return append(out, "null"...)
}

func (w *Writer) object(out []byte, path string, n *yaml.Node, depth int) []byte {
	seen := make(map[string]bool, len(n.Content)/2)
	out = append(out, '{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || !IsPlain(key) || key.ShortTag() == "!!merge" || (!w.ScalarKeys && key.ShortTag() != "!!str"):
			w.Mistake(key.Line, path, "a key that is no text")
			continue
		case seen[key.Value]:
			w.Mistake(key.Line, Join(path, key.Value), "there twice")
			continue
		}
		if len(seen) > 0 {
			out = append(out, ',')
		}
		seen[key.Value] = true
		out = AppendText(out, key.Value)
		out = append(out, ':')
		out = w.Append(out, Join(path, key.Value), value, depth+1)
	}
	return append(out, '}')
}

func (w *Writer) scalar(out []byte, path string, n *yaml.Node) []byte {
	switch n.ShortTag() {
	case "!!null":
		return append(out, "null"...)
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return w.mistake(out, path, n, "neither true nor false")
		}
		return strconv.AppendBool(out, b)
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return append(out, n.Value...)
		}
		if i, ok := new(big.Int).SetString(n.Value, 0); ok { // +1, 0x1f
			return i.Append(out, 10)
		}
		return w.mistake(out, path, n, "a number that JSON does not have")
	default: // also what looks like a time
		return AppendText(out, n.Value)
	}
}

// AppendText writes a string as JSON behind out.
func AppendText(out []byte, s string) []byte {
	quoted, _ := json.Marshal(s) //nolint:errchkjson // a string
	return append(out, quoted...)
}

// Join returns the path of an entry, cut where its key is long.
func Join(path, key string) string {
	const most = 64
	if len(key) > most {
		cut := most
		for cut > 0 && !utf8.RuneStart(key[cut]) {
			cut--
		}
		key = key[:cut] + "…"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
