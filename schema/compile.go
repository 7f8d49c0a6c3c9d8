package schema

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// compiler makes nodes. It takes every keyword it knows: keywords of a schema
// hold all together, so checking some of them is sound, and what is left over
// is for jsonschema-go.
type compiler struct {
	origins  origins
	leftover bool // there are keywords this package does not know
	draft7   bool
	errs     []error
	// byType holds the nodes made from a Go type alone. They may contain
	// themselves, as types may that an overriding schema describes.
	byType map[reflect.Type]*node
}

func (c *compiler) mistake(path, format string, args ...any) {
	if path != "" {
		format = path + ": " + format
	}
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// node compiles s, nil meaning any value, for Go type t, nil meaning none.
func (c *compiler) node(s *jsonschema.Schema, t reflect.Type, path string, quoted bool) *node {
	if s == nil {
		if n, ok := c.byType[t]; ok && !quoted {
			return n
		}
		s = &jsonschema.Schema{}
		n := &node{}
		if !quoted {
			c.byType[t] = n
		}
		return c.fill(n, s, t, path, quoted)
	}
	c.leftover = c.leftover || !known(s)
	if s.Ref != "" && c.draft7 {
		s = &jsonschema.Schema{} // all that stands beside $ref is void
	}
	return c.fill(&node{}, s, t, path, quoted)
}

func (c *compiler) fill(n *node, s *jsonschema.Schema, t reflect.Type, path string, quoted bool) *node {
	n.types, n.rules = schemaTypes(s), c.origins[s]
	for _, name := range append(s.Types, s.Type) {
		if _, ok := typeNames[name]; !ok && name != "" {
			c.mistake(path, "unknown type %q", name)
		}
	}
	c.goType(n, t, path, quoted)
	c.values(n, s, path)
	c.array(n, s, path)
	c.members(n, s, path)
	return n
}

func schemaTypes(s *jsonschema.Schema) (set types) {
	set = typeNames[s.Type]
	for _, name := range s.Types {
		set |= typeNames[name]
	}
	return set
}

// goType narrows n to what encoding/json can put into a t.
func (c *compiler) goType(n *node, t reflect.Type, path string, quoted bool) {
	if t == nil {
		return
	}
	direct := t.Kind() != reflect.Pointer
	t = deref(t)
	n.gotyp, n.form = t, formOf(t)
	n.slice = direct && n.form == formPlain && t.Kind() == reflect.Slice
	n.isMap = direct && n.form == formPlain && t.Kind() == reflect.Map
	takes := goTypes(t, n.form)
	if quoted {
		takes = typeNull | typeString
		n.form = formText
	}
	if takes == typeAny {
		return
	}
	if n.types == 0 {
		n.types = takes | typeNull
	} else if n.types &= takes; n.types == 0 {
		c.mistake(path, "Go type %s cannot take what the schema asks for", t)
	}
	n.single = !quoted && n.form == formPlain && t.Kind() == reflect.Float32
	if quoted || n.form != formPlain || !isInt(t) && !isUint(t) {
		return
	}
	n.integer, n.wide, n.unsigned = true, t.Bits() == 64, isUint(t)
	if n.unsigned {
		n.most = parseDecimal(strconv.AppendUint(nil, math.MaxUint64>>(64-t.Bits()), 10))
		return
	}
	n.least = parseDecimal(strconv.AppendInt(nil, math.MinInt64>>(64-t.Bits()), 10))
	n.most = parseDecimal(strconv.AppendInt(nil, math.MaxInt64>>(64-t.Bits()), 10))
}

// goTypes returns the JSON that encoding/json can put into a t.
func goTypes(t reflect.Type, f form) types {
	switch f {
	case formText, formTime:
		return typeNull | typeString
	case formBytes:
		return typeNull | typeString | typeArray
	case formNumber:
		return typeNull | typeNumber
	case formBigInt:
		return typeNull | typeInteger
	case formAny:
		return typeAny
	case formPlain:
	}
	switch {
	case isInt(t), isUint(t):
		return typeNull | typeInteger
	case isFloat(t):
		return typeNull | typeNumber
	}
	switch t.Kind() {
	case reflect.Bool:
		return typeNull | typeBoolean
	case reflect.String:
		return typeNull | typeString
	case reflect.Slice, reflect.Array:
		return typeNull | typeArray
	case reflect.Map, reflect.Struct:
		return typeNull | typeObject
	}
	return typeAny
}

// compile compiles s for t. leftover says that s has keywords beyond.
func compile(s *jsonschema.Schema, t reflect.Type, o origins) (n *node, leftover bool, err error) {
	c := compiler{origins: o, byType: map[reflect.Type]*node{}, draft7: strings.Contains(s.Schema, "draft-07")}
	n = c.node(s, t, "", false)
	return n, c.leftover, errors.Join(c.errs...)
}
