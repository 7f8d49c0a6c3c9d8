package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// Options change what [For] does. The zero value derives everything from the
// Go type.
type Options struct {
	// JSONSchema is the schema instead of the derived one: a
	// *jsonschema.Schema, a json.RawMessage, or anything that encodes as a
	// JSON schema (draft-07 or 2020-12) as an object. Keywords nobody knows,
	// such as x-…, are kept. A $ref has to be local (#…); nothing is fetched.
	// The validate tags of the Go type hold all the same.
	JSONSchema any
	// Flat allows only strings, numbers, integers and booleans at the top
	// level, as forms for elicitation do. Pointers are then optional in Go
	// only: null is not accepted.
	Flat bool
}

// Schema is the JSON schema of T, compiled. It is immutable and safe for
// concurrent use.
type Schema[T any] struct {
	core
}

// Field is one property at the top of a schema.
type Field struct {
	Name        string
	Description string
	Required    bool
}

// core is what does not depend on T at compile time.
type core struct {
	raw    json.RawMessage
	fields []Field
	root   *node
	judge  *judge // of keywords the nodes do not know; nil without any
	tags   *tags  // nil if T has no validate tag
	open   bool   // T holds values of any type: keep their numbers exact
	filler filler // nil: encoding/json reads a T
}

// For compiles the schema of T. The error holds all mistakes at once: fields of
// types that have no schema, validate tags that are unknown, malformed,
// contradict each other or do not suit their field, and what is wrong with the
// options. For never panics.
func For[T any](opts *Options) (*Schema[T], error) {
	if opts == nil {
		opts = &Options{}
	}
	c, err := build(reflect.TypeFor[T](), opts)
	if err != nil {
		return nil, fmt.Errorf("schema for %s: %w", reflect.TypeFor[T](), err)
	}
	return &Schema[T]{*c}, nil
}

// JSON returns the schema as clients see it. It is the same bytes each time;
// do not change them.
func (s *Schema[T]) JSON() json.RawMessage { return s.raw }

// Fields returns the properties at the top, in the order of the schema, which
// for a derived one is the order of the Go fields.
func (s *Schema[T]) Fields() []Field { return slices.Clone(s.fields) }

func build(t reflect.Type, opts *Options) (*core, error) {
	c := &core{open: holdsAny(t, map[reflect.Type]bool{}), filler: fillerOf(t, map[reflect.Type]bool{})}
	s, origin, mistakes := derive(t, opts.Flat)
	err := errors.Join(mistakes...)
	if opts.JSONSchema != nil {
		var loadErr error
		s, c.raw, loadErr = load(opts.JSONSchema)
		origin, err = nil, errors.Join(besidesTypes(mistakes), loadErr)
	} else if err == nil {
		c.raw, err = json.Marshal(s)
	}
	if opts.Flat && s != nil {
		err = errors.Join(err, checkFlat(s))
	}
	if err != nil {
		return nil, err
	}
	if err := c.compile(s, t, origin); err != nil {
		return nil, err
	}
	c.fields = topFields(c.raw)
	c.tags, err = tagsOf(t)
	return c, err
}

func (c *core) compile(s *jsonschema.Schema, t reflect.Type, o origins) error {
	root, leftover, err := compile(s, t, o)
	if err != nil {
		return err
	}
	c.root = root
	resolved, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: !hasDynamic(s)})
	if err != nil {
		return err
	}
	if leftover {
		c.judge = &judge{resolved: resolved}
	}
	return nil
}

func hasDynamic(s *jsonschema.Schema) (found bool) {
	walkSchemas(s, func(sub *jsonschema.Schema) { found = found || sub.DynamicRef != "" })
	return found
}

// topFields reads the properties from the bytes, which have an order.
func topFields(raw json.RawMessage) (fields []Field) {
	var top struct {
		Required   []string        `json:"required"`
		Properties json.RawMessage `json:"properties"`
	}
	_ = json.Unmarshal(raw, &top) // compiled before: it decodes
	for name, value := range strictjson.Members(top.Properties) {
		var about struct {
			Description string `json:"description"`
		}
		_ = json.Unmarshal(value, &about) // a boolean schema has none
		fields = append(fields, Field{string(name), about.Description, slices.Contains(top.Required, string(name))})
	}
	return fields
}

// holdsAny reports whether encoding/json makes values of any type for t.
func holdsAny(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t.Kind() == reflect.Interface {
		return true
	}
	if seen[t] || formOf(t) != formPlain {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsAny(t.Elem(), seen)
	case reflect.Struct:
		for field := range t.Fields() {
			if holdsAny(field.Type, seen) {
				return true
			}
		}
	}
	return false
}
