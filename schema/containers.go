package schema

import (
	"maps"
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// fewProps is where a map finds a property sooner than looking at each.
const fewProps = 8

// array compiles the keywords for arrays.
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

// members compiles the keywords for objects.
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

// member compiles one property, which the schema or the struct names.
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
