package schema

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// fewProps is where a map finds a property sooner than looking at each.
const fewProps = 8

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

func (c *compiler) values(n *node, s *jsonschema.Schema, path string) {
	if s.Enum != nil || s.Const != nil {
		values := s.Enum
		if s.Const != nil {
			values, n.constant = []any{*s.Const}, true
			c.leftover = c.leftover || s.Enum != nil
		}
		n.enum, n.choices = literals(values)
		if n.enum == nil && len(values) > 0 {
			c.leftover = true
		}
		if len(values) == 0 {
			c.mistake(path, "enum without a value")
		}
	}
	for _, b := range []struct {
		at            *float64
		upper, strict bool
		keyword       string
		words         string
	}{
		{s.Minimum, false, false, "minimum", "at least "},
		{s.ExclusiveMinimum, false, true, "exclusiveMinimum", "more than "},
		{s.Maximum, true, false, "maximum", "at most "},
		{s.ExclusiveMaximum, true, true, "exclusiveMaximum", "less than "},
	} {
		if b.at == nil || n.unsigned && b.keyword == "minimum" && *b.at == 0 && n.rules["minimum"] == "" {
			continue
		}
		text := strconv.FormatFloat(*b.at, 'f', -1, 64)
		if len(text) > 24 {
			text = strconv.FormatFloat(*b.at, 'g', -1, 64)
		}
		n.bounds = append(n.bounds, bound{*b.at, decimalOf(*b.at), b.upper, b.strict, b.keyword, b.words + text})
	}
	n.minLength, n.maxLength = s.MinLength, s.MaxLength
	if s.Pattern != "" {
		var err error
		if n.pattern, err = regexp.Compile(s.Pattern); err != nil {
			c.mistake(path, "pattern: %w", err)
		}
	}
}

// literals returns the values of an enum, or nil if one is a container.
func literals(values []any) (out []literal, words string) {
	var names []string
	for _, value := range values {
		var l literal
		rv := reflect.ValueOf(value)
		switch {
		case value == nil:
			l.kind, names = typeNull, append(names, "null")
		case rv.Kind() == reflect.String:
			l.kind, l.text = typeString, rv.String()
			names = append(names, strconv.Quote(l.text))
		case rv.Kind() == reflect.Bool:
			l.kind = typeFalse
			if rv.Bool() {
				l.kind = typeTrue
			}
			names = append(names, strconv.FormatBool(rv.Bool()))
		case isInt(rv.Type()), isUint(rv.Type()):
			text := fmt.Sprint(value)
			l.kind, l.value, names = typeNumber, parseDecimal([]byte(text)), append(names, text)
		case isFloat(rv.Type()):
			l.kind, l.value = typeNumber, decimalOf(rv.Float())
			names = append(names, strconv.FormatFloat(rv.Float(), 'g', -1, 64))
		default:
			return nil, ""
		}
		out = append(out, l)
	}
	return out, strings.Join(names, ", ")
}

func (c *compiler) array(n *node, s *jsonschema.Schema, path string) {
	n.minItems, n.maxItems, n.unique = s.MinItems, s.MaxItems, s.UniqueItems
	var elem reflect.Type
	if n.gotyp != nil && n.form == formPlain {
		switch n.gotyp.Kind() {
		case reflect.Slice, reflect.Array:
			elem = n.gotyp.Elem()
		}
	}
	items := s.Items
	if s.PrefixItems != nil || s.ItemsArray != nil {
		items = nil
	}
	if items != nil || elem != nil {
		n.items = c.node(items, elem, path+"[]", false)
	}
}

func (c *compiler) members(n *node, s *jsonschema.Schema, path string) {
	fields := map[string]goField{}
	var other reflect.Type
	var order []string
	if n.gotyp != nil && n.form == formPlain {
		switch n.gotyp.Kind() {
		case reflect.Struct:
			for _, f := range jsonFields(n.gotyp) {
				fields[f.name] = f
				order = append(order, f.name)
			}
			n.goNames = order
		case reflect.Map:
			other = n.gotyp.Elem()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		n.known = append(n.known, name)
		if _, ok := fields[name]; !ok {
			order = append(order, name)
		}
	}
	n.minimumProps, n.maximumProps = s.MinProperties, s.MaxProperties
	extra := s.AdditionalProperties
	n.closed = extra != nil && extra.Not != nil && reflect.ValueOf(*extra.Not).IsZero() && s.PatternProperties == nil
	if s.PatternProperties != nil || n.closed {
		extra = nil
	}
	if !n.closed && (extra != nil || other != nil) {
		n.other = c.node(extra, other, path+"[]", false)
	}
	for _, name := range order {
		c.member(n, s, name, fields, other, path)
	}
	for _, name := range s.Required {
		if n.property([]byte(name)) < 0 {
			if n.closed {
				c.mistake(join(path, name), "required, but the schema allows no such property")
			}
			n.props = append(n.props, property{name: name, node: n.other, required: true})
		}
	}
	n.sortAndCount()
}

func (c *compiler) member(n *node, s *jsonschema.Schema, name string, fields map[string]goField, other reflect.Type, path string) {
	f, isField := fields[name]
	ps, described := s.Properties[name]
	if !described {
		if n.closed {
			return // the schema refuses it, whatever the struct has
		}
		if ps = s.AdditionalProperties; s.PatternProperties != nil {
			ps = nil
		}
	}
	p := property{name: name, required: slices.Contains(s.Required, name)}
	t := other
	if isField {
		t = f.sf.Type
	}
	p.node = c.node(ps, t, join(path, name), isField && f.quoted)
	if described && !p.required {
		p.fallback = c.fallback(ps, p.node, join(path, name))
	}
	n.defaults = n.defaults || p.fallback != nil
	n.props = append(n.props, p)
}

func (n *node) sortAndCount() {
	n.object = len(n.props) > 0 || n.closed || n.other != nil
	// Known names read best in the order the author wrote the fields.
	order := map[string]int{}
	for i, p := range n.props {
		order[p.name] = i
		if p.required {
			n.required++
		}
	}
	slices.SortStableFunc(n.known, func(a, b string) int { return order[a] - order[b] })
	if len(n.props) > fewProps {
		n.index = order
	}
}

// compile compiles s for t. leftover says that s has keywords beyond.
func compile(s *jsonschema.Schema, t reflect.Type, o origins) (n *node, leftover bool, err error) {
	c := compiler{origins: o, byType: map[reflect.Type]*node{}, draft7: strings.Contains(s.Schema, "draft-07")}
	n = c.node(s, t, "", false)
	return n, c.leftover, errors.Join(c.errs...)
}
