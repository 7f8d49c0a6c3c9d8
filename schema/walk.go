package schema

import (
	"slices"
	"strings"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// place is where in the value the walker is. It lives on the stack; its text is
// made only for a problem.
type place struct {
	outer *place
	name  []byte
	index int // of an array, if member and name are not set
	kind  byte
}

const (
	placeField byte = 'f' // outer.name
	placeKey   byte = 'k' // outer[name]
	placeItem  byte = 'i' // outer[index]
)

// walker checks a value against a node, on the bytes. The bytes have passed
// strictjson.Check, or were written by encoding/json.
type walker struct {
	data []byte
	// output is set for a value this process wrote.
	output bool
	// attempt makes each value with a reader of its own be read, to find the
	// one that fails.
	attempt bool

	report
	patches []patch
}

// value checks the value at i and returns the offset behind it.
func (w *walker) value(i int, n *node, at *place) int {
	if n == nil {
		return strictjson.SkipValue(w.data, i)
	}
	switch c := w.data[i]; c {
	case '{':
		if n.accepts(typeObject) {
			return w.attempted(i, w.object(i, n, at), n, at)
		}
	case '[':
		if n.accepts(typeArray) {
			return w.attempted(i, w.array(i, n, at), n, at)
		}
	case '"':
		if n.accepts(typeString) {
			return w.attempted(i, w.text(i, n, at), n, at)
		}
	case 't', 'f', 'n':
		if n.accepts(literalTypes[c]) {
			return w.attempted(i, w.literal(i, n, at), n, at)
		}
		if c == 'n' && w.fillNil(i, n) {
			return i + len("null")
		}
	default:
		if n.types == 0 || n.types&typeNumber != 0 {
			return w.attempted(i, w.number(i, n, at), n, at)
		}
	}
	w.wrongType(i, n, at)
	return strictjson.SkipValue(w.data, i)
}

var literalTypes = [256]types{'t': typeTrue, 'f': typeFalse, 'n': typeNull}

func (n *node) accepts(t types) bool { return n.types == 0 || n.types&t != 0 }

// fillNil writes the nil of a slice or map as an empty one, if null does not
// conform: Go does not tell these apart.
func (w *walker) fillNil(i int, n *node) bool {
	if !w.output {
		return false
	}
	switch {
	case n.slice && n.types&typeArray != 0 && (n.minItems == nil || *n.minItems == 0):
		w.patch(i, i+len("null"), []byte("[]"))
	case n.isMap && n.types&typeObject != 0 && n.required == 0:
		w.patch(i, i+len("null"), []byte("{}"))
	default:
		return false
	}
	return true
}

func (w *walker) literal(i int, n *node, at *place) int {
	kind := literalTypes[w.data[i]]
	end := strictjson.SkipValue(w.data, i)
	if n.enum != nil && !n.hasLiteral(func(l literal) bool { return l.kind == kind }) {
		w.choose(i, end, n, at)
	}
	if kind == typeNull {
		w.fillNil(i, n)
	}
	return end
}

func (n *node) hasLiteral(same func(literal) bool) bool {
	return slices.ContainsFunc(n.enum, same)
}

func (w *walker) array(i int, n *node, at *place) int {
	here := place{outer: at, kind: placeItem}
	count := 0
	var seen map[string]int
	if n.unique {
		seen = map[string]int{}
	}
	if n.enum != nil {
		w.choose(i, i, n, at)
	}
	for i = strictjson.SkipSpace(w.data, i+1); w.data[i] != ']'; count++ {
		here.index = count
		end := w.value(i, n.items, &here)
		if seen != nil {
			key := string(appendCanonical(nil, w.data[i:end]))
			if first, again := seen[key]; again {
				w.repeated(first, count, n, at)
			} else {
				seen[key] = count
			}
		}
		if i = strictjson.SkipSpace(w.data, end); w.data[i] == ',' {
			i = strictjson.SkipSpace(w.data, i+1)
		}
	}
	w.size(count, n.minItems, n.maxItems, "minItems", "maxItems", "item", n, at)
	return i + 1
}

func (w *walker) object(i int, n *node, at *place) int {
	if !n.object && n.minimumProps == nil && n.maximumProps == nil && n.enum == nil {
		return strictjson.SkipValue(w.data, i)
	}
	if n.enum != nil {
		w.choose(i, i, n, at)
	}
	var few [64]bool
	seen := few[:]
	if len(n.props) > len(few) {
		seen = make([]bool, len(n.props))
	}
	start, count, missing := i, 0, n.required
	for i = strictjson.SkipSpace(w.data, i+1); w.data[i] != '}'; count++ {
		end := strictjson.SkipValue(w.data, i)
		key := strictjson.Unescape(w.data[i+1 : end-1])
		i = strictjson.SkipSpace(w.data, strictjson.SkipSpace(w.data, end)+1)
		if at := n.property(key); at >= 0 {
			seen[at] = true
			if n.props[at].required {
				missing--
			}
		}
		i = strictjson.SkipSpace(w.data, w.member(i, key, n, at))
		if w.data[i] == ',' {
			i = strictjson.SkipSpace(w.data, i+1)
		}
	}
	w.size(count, n.minimumProps, n.maximumProps, "minProperties", "maxProperties", "member", n, at)
	if missing > 0 || n.defaults {
		w.absent(start, count, seen, n, at)
	}
	return i + 1
}

// member checks the member called key, the value of which starts at i.
func (w *walker) member(i int, key []byte, n *node, at *place) int {
	here := place{outer: at, name: key, kind: placeField}
	if p := n.property(key); p >= 0 {
		if n.isMap {
			here.kind = placeKey
		}
		return w.value(i, n.props[p].node, &here)
	}
	switch variant := n.variant(key); {
	case n.closed:
		w.unknown(n, &here)
	case variant != "":
		w.caseVariant(variant, &here)
	default:
		if n.isMap {
			here.kind = placeKey
		}
		return w.value(i, n.other, &here)
	}
	return strictjson.SkipValue(w.data, i)
}

// variant returns the field that encoding/json would take key for.
func (n *node) variant(key []byte) string {
	for _, name := range n.goNames {
		if len(key) < 4*len(name)+1 && strings.EqualFold(name, string(key)) {
			return name
		}
	}
	return ""
}

// absent reports required properties that are not there, and fills in defaults.
func (w *walker) absent(start, count int, seen []bool, n *node, at *place) {
	for i, p := range n.props {
		switch {
		case seen[i]:
		case p.required:
			w.missing(p.name, at)
		case p.fallback != nil && !w.output:
			w.insert(start+1, p.name, p.fallback, count == 0)
			count++
		}
	}
}
