package schema

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/google/jsonschema-go/jsonschema"
)

// origins says which rule of a validate tag put a keyword into a schema.
type origins map[*jsonschema.Schema]map[string]string

// deriver makes the schema of a Go type. For a type without validate tags it is
// what jsonschema.ForType makes, with these differences, where that one
// describes other JSON than encoding/json reads and writes: embedded structs
// with a name of their own, the option "string", raw JSON, types with their own
// JSON or text methods, []byte, json.Number and big.Int; and times get a format.
type deriver struct {
	flat    bool
	open    map[reflect.Type]bool
	origins origins
	errs    []error
}

func (d *deriver) mistake(path, format string, args ...any) {
	if path != "" {
		format = path + ": " + format
	}
	d.errs = append(d.errs, fmt.Errorf(format, args...))
}

// typeMistakeError is that a schema cannot be derived from a Go type. It does not
// matter if a schema is given.
type typeMistakeError struct{ error }

func (d *deriver) noSchema(path, format string, args ...any) {
	d.mistake(path, format, args...)
	last := len(d.errs) - 1
	d.errs[last] = typeMistakeError{d.errs[last]}
}

// schema returns the schema of t, which is never nil. Tags inside count unless
// muted. path is for the texts of mistakes.
func (d *deriver) schema(t reflect.Type, path string, muted bool) *jsonschema.Schema {
	inner := deref(t)
	s, err := leafSchema(inner)
	if err != nil {
		d.noSchema(path, "type %s has no JSON schema", t)
		return &jsonschema.Schema{}
	}
	if s == nil {
		s = d.container(inner, path, muted)
	}
	if t.Kind() == reflect.Pointer && !d.flat {
		switch {
		case s.Type != "":
			s.Types, s.Type = []string{"null", s.Type}, ""
		case len(s.Types) > 0 && s.Types[0] != "null":
			s.Types = append([]string{"null"}, s.Types...)
		}
	}
	return s
}

func (d *deriver) container(t reflect.Type, path string, muted bool) *jsonschema.Schema {
	if t.Name() != "" {
		if d.open[t] {
			d.noSchema(path, "type %s contains itself, which a schema without references cannot say", t)
			return &jsonschema.Schema{}
		}
		d.open[t] = true
		defer delete(d.open, t)
	}
	switch t.Kind() {
	case reflect.Slice:
		return &jsonschema.Schema{Types: []string{"null", "array"}, Items: d.schema(t.Elem(), path+"[]", muted)}
	case reflect.Array:
		return &jsonschema.Schema{
			Type: "array", Items: d.schema(t.Elem(), path+"[]", muted),
			MinItems: new(t.Len()), MaxItems: new(t.Len()),
		}
	case reflect.Map:
		if t.Key().Kind() != reflect.String && !t.Key().Implements(textMarshaler) {
			d.noSchema(path, "map keys of type %s: want strings", t.Key())
		}
		return &jsonschema.Schema{Type: "object", AdditionalProperties: d.schema(t.Elem(), path+"[]", muted)}
	}
	return d.object(t, path, muted)
}

func (d *deriver) object(t reflect.Type, path string, muted bool) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}}
	fields := jsonFields(t)
	for _, f := range fields {
		at := join(path, f.name)
		fs, present := d.property(f, at, muted)
		if s.Properties == nil {
			s.Properties = map[string]*jsonschema.Schema{}
		}
		s.Properties[f.name] = fs
		s.PropertyOrder = append(s.PropertyOrder, f.name)
		if present {
			s.Required = append(s.Required, f.name)
		}
		for _, other := range fields {
			if f.name < other.name && strings.EqualFold(f.name, other.name) {
				d.mistake(path, "%q and %q differ only in case, which encoding/json does not tell apart", f.name, other.name)
			}
		}
	}
	d.lost(t, path)
	return s
}

// property returns the schema of a field and whether the field must be there.
func (d *deriver) property(f goField, path string, muted bool) (s *jsonschema.Schema, required bool) {
	set := &ruleSet{}
	if !muted {
		set = parseRules(f.sf.Tag.Get("validate"))
	}
	s = d.schema(f.sf.Type, path, muted || set.off)
	if f.quoted {
		quote(s, deref(f.sf.Type))
	}
	if text, ok := f.sf.Tag.Lookup("jsonschema"); ok {
		word, _, equals := strings.Cut(text, "=")
		switch {
		case text == "":
			d.mistake(path, "empty jsonschema tag")
		case equals && !strings.ContainsFunc(word, unicode.IsSpace):
			d.mistake(path, "jsonschema tag %q: must not begin with WORD=", text)
		}
		s.Description = text
	}
	if muted {
		return s, !f.optional
	}
	if !d.probe(f, set, path) {
		return s, !f.optional
	}
	sub := subject{
		d: d, s: s, t: deref(f.sf.Type), pointer: f.sf.Type.Kind() == reflect.Pointer,
		outer: f.sf.Type, parent: f.parent, optional: f.optional, quoted: f.quoted, path: path,
	}
	sub.apply(set)
	return s, sub.present || !f.optional
}

// quote makes s the schema of what encoding/json writes with the option "string".
func quote(s *jsonschema.Schema, t reflect.Type) {
	var pattern string
	switch {
	case isInt(t):
		pattern = `^-?(0|[1-9][0-9]*)$`
	case isUint(t):
		pattern = `^(0|[1-9][0-9]*)$`
	case isFloat(t):
		pattern = `^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`
	case t.Kind() == reflect.Bool:
		pattern = `^(true|false)$`
	default:
		pattern = `^".*"$`
	}
	nullable := s.Types != nil
	*s = jsonschema.Schema{Type: "string", Pattern: pattern}
	if nullable {
		s.Type, s.Types = "", []string{"null", "string"}
	}
}

// lost reports fields that have rules or that encoding/json chokes on, and
// that no JSON reaches.
func (d *deriver) lost(t reflect.Type, path string) {
	for sf := range t.Fields() {
		if tag := sf.Tag.Get("json"); tag == "-" && sf.IsExported() {
			for _, r := range parseRules(sf.Tag.Get("validate")).rules {
				if r.name == "required" {
					d.mistake(join(path, sf.Name), "required, but json:\"-\" hides it")
				}
			}
		}
		if sf.Anonymous && !sf.IsExported() && sf.Type.Kind() == reflect.Pointer {
			d.mistake(join(path, sf.Name), "encoding/json cannot set an embedded pointer to an unexported type")
		}
	}
}

func (o origins) set(s *jsonschema.Schema, keyword, rule string) {
	if o[s] == nil {
		o[s] = map[string]string{}
	}
	o[s][keyword] = rule
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// derive returns the schema of t, where its keywords come from, and mistakes.
func derive(t reflect.Type, flat bool) (*jsonschema.Schema, origins, []error) {
	d := &deriver{flat: flat, open: map[reflect.Type]bool{}, origins: origins{}}
	s := d.schema(t, "", false)
	return s, d.origins, d.errs
}

// besidesTypes returns the mistakes that hold for a schema that is given, too.
func besidesTypes(mistakes []error) error {
	return errors.Join(slices.DeleteFunc(mistakes, func(err error) bool {
		return errors.As(err, new(typeMistakeError))
	})...)
}
