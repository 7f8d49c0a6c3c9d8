package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// maxSchemaDepth bounds the nesting of a schema given in the options.
const maxSchemaDepth = 256

// load reads a schema given in the options. raw keeps its keywords and their
// order, also those nobody knows.
func load(given any) (s *jsonschema.Schema, raw json.RawMessage, err error) {
	data, err := json.Marshal(given) // checks and compacts a RawMessage
	if err != nil {
		return nil, nil, fmt.Errorf("JSONSchema: %w", err)
	}
	if err := strictjson.Check(data, maxSchemaDepth); err != nil {
		return nil, nil, fmt.Errorf("JSONSchema: %w", err)
	}
	if data[0] != '{' {
		return nil, nil, errors.New("JSONSchema: want an object")
	}
	s = new(jsonschema.Schema)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, nil, fmt.Errorf("JSONSchema: %w", err)
	}
	if err := localOnly(s); err != nil {
		return nil, nil, err
	}
	return s, bytes.Clone(data), noCycles(data)
}

// drafts are the values of $schema that jsonschema-go can judge by.
var drafts = []string{
	"", "https://json-schema.org/draft/2020-12/schema",
	"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft-07/schema#",
}

// localOnly reports references that lead out of the schema. Nothing is ever
// fetched.
func localOnly(s *jsonschema.Schema) error {
	var errs []error
	if !slices.Contains(drafts, s.Schema) {
		errs = append(errs, fmt.Errorf("JSONSchema: unknown $schema %q", s.Schema))
	}
	walkSchemas(s, func(sub *jsonschema.Schema) {
		for keyword, ref := range map[string]string{"$ref": sub.Ref, "$dynamicRef": sub.DynamicRef} {
			if ref != "" && !strings.HasPrefix(ref, "#") {
				errs = append(errs, fmt.Errorf("JSONSchema: %s %q is not local: want #…", keyword, ref))
			}
		}
	})
	return errors.Join(errs...)
}

// walkSchemas calls f for s and all schemas in it.
func walkSchemas(s *jsonschema.Schema, f func(*jsonschema.Schema)) {
	f(s)
	v := reflect.ValueOf(s).Elem()
	for _, field := range v.Fields() {
		switch sub := field.Interface().(type) {
		case *jsonschema.Schema:
			if sub != nil {
				walkSchemas(sub, f)
			}
		case []*jsonschema.Schema:
			for _, one := range sub {
				walkSchemas(one, f)
			}
		case map[string]*jsonschema.Schema:
			for _, one := range sub {
				walkSchemas(one, f)
			}
		}
	}
}

// known reports whether the compiler knows all keywords of s itself.
func known(s *jsonschema.Schema) bool {
	return s.Ref == "" && s.DynamicRef == "" && s.MultipleOf == nil && s.PrefixItems == nil && s.ItemsArray == nil &&
		s.AdditionalItems == nil && s.Contains == nil && s.UnevaluatedItems == nil &&
		s.DependentRequired == nil && s.PatternProperties == nil && s.PropertyNames == nil &&
		s.UnevaluatedProperties == nil && s.AllOf == nil && s.AnyOf == nil && s.OneOf == nil && s.Not == nil &&
		s.If == nil && s.DependentSchemas == nil && s.DependencySchemas == nil && s.DependencyStrings == nil
}

// fallback returns the default of a property, made ready for its Go type, or a
// container of the defaults inside it, as jsonschema-go does, if that has all
// that it requires.
func (c *compiler) fallback(s *jsonschema.Schema, n *node, path string) json.RawMessage {
	value := s.Default
	if value == nil {
		if n == nil || !n.defaults || n.required > 0 || n.types&typeObject == 0 {
			return nil
		}
		value = json.RawMessage("{}")
	}
	if err := strictjson.Check(value, maxSchemaDepth); err != nil {
		c.mistake(path, "default: %w", err)
		return nil
	}
	w := walker{data: bytes.TrimSpace(value)}
	w.value(0, n, nil)
	if len(w.problems) > 0 {
		c.mistake(path, "default: %s", w.problems[0].Problem)
		return nil
	}
	return w.patched()
}

// checkFlat reports what a form for elicitation cannot hold.
func checkFlat(s *jsonschema.Schema) error {
	if s.Type != "object" {
		return errors.New("flat schema: want type object at the top")
	}
	var errs []error
	var nested []string
	for name, p := range s.Properties {
		switch p.Type {
		case "string", "number", "integer", "boolean":
		default:
			nested = append(nested, name)
		}
	}
	slices.Sort(nested)
	for _, name := range nested {
		errs = append(errs, fmt.Errorf("%s: a flat schema has only string, number, integer and boolean properties", name))
	}
	return errors.Join(errs...)
}
