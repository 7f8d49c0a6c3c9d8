package openapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxNodes bounds the schemas of one tool, and maxNesting how deep they are.
const (
	maxNodes   = 20_000
	maxNesting = 64
)

// schemas writes schemas of a document as JSON schema 2020-12. What they refer to
// comes below $defs, each once, so that recursive ones stay finite.
type schemas struct {
	document *document
	answer   bool // for answers, else for requests
	defs     map[string]any
	names    map[string]string // of pointers
	waiting  []string          // pointers whose schemas are to be converted
	nodes    int
	err      error
}

func newSchemas(d *document, answer bool) *schemas {
	return &schemas{document: d, answer: answer, defs: map[string]any{}, names: map[string]string{}}
}

// finish closes an object with the $defs.
func (s *schemas) finish(open []byte) (json.RawMessage, error) {
	for len(s.waiting) > 0 && s.err == nil {
		ref := s.waiting[0]
		s.waiting = s.waiting[1:]
		target, err := s.document.at(ref)
		if err != nil {
			return nil, err
		}
		s.defs[s.names[ref]] = s.convert(target, 0)
	}
	if s.err != nil {
		return nil, s.err
	}
	if len(s.defs) > 0 {
		defs, err := json.Marshal(s.defs)
		if err != nil {
			return nil, err
		}
		open = append(append(open, `,"$defs":`...), defs...)
	}
	if len(open) > maxSchema {
		return nil, fmt.Errorf("its schema is larger than %d bytes", maxSchema)
	}
	return append(open, '}'), nil
}

func (s *schemas) fail(format string, args ...any) any {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
	return true
}

var (
	oneSchema    = []string{"not", "if", "then", "else", "items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "contains", "propertyNames", "additionalItems"}
	listOfSchema = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	mapOfSchema  = []string{"properties", "patternProperties", "dependentSchemas"}

	// ofOpenAPI are keywords that say nothing about values.
	ofOpenAPI = []string{"nullable", "discriminator", "readOnly", "writeOnly", "xml", "externalDocs", "example", "examples", "$comment", "$defs", "definitions", "$schema"}
	// unfollowed would change what a $ref means.
	unfollowed = []string{"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor"}
)

// convert returns a schema of the document as JSON schema has it.
func (s *schemas) convert(v any, depth int) any {
	if s.nodes++; s.nodes > maxNodes || depth > maxNesting {
		return s.fail("its schemas are larger than %d keywords, or more than %d deep", maxNodes, maxNesting)
	}
	in, ok := v.(map[string]any)
	if !ok {
		if _, ok := v.(bool); !ok {
			return s.fail("a schema that is none")
		}
		return v
	}
	out := make(map[string]any, len(in))
	if ref, ok := in["$ref"].(string); ok {
		out["$ref"] = "#/$defs/" + s.refer(ref)
		if s.document.old { // what stands beside it is ignored (OpenAPI 3.0, section 4.7.23)
			return out
		}
	}
	for key, value := range in {
		switch {
		case key == "$ref", strings.HasPrefix(key, "x-"), slices.Contains(ofOpenAPI, key):
		case slices.Contains(unfollowed, key):
			s.fail("%s in a schema is not supported", key)
		case slices.Contains(oneSchema, key):
			out[key] = s.convert(value, depth+1)
		case slices.Contains(listOfSchema, key):
			out[key] = s.list(value, depth)
		case slices.Contains(mapOfSchema, key):
			out[key] = s.table(key, value, depth)
		default:
			out[key] = value
		}
	}
	s.dropHidden(in, out)
	if s.document.old {
		fromOld(in, out)
	}
	return out
}

func (s *schemas) list(v any, depth int) any {
	list, ok := v.([]any)
	if !ok {
		return s.fail("a list of schemas that is none")
	}
	out := make([]any, len(list))
	for i, one := range list {
		out[i] = s.convert(one, depth+1)
	}
	return out
}

func (s *schemas) table(key string, v any, depth int) any {
	table, ok := v.(map[string]any)
	if !ok {
		return s.fail("%s that is no object", key)
	}
	out := make(map[string]any, len(table))
	for name, one := range table {
		if key != "properties" || !s.hidden(one) {
			out[name] = s.convert(one, depth+1)
		}
	}
	return out
}

// hidden reports whether a property is for the other direction only.
func (s *schemas) hidden(property any) bool {
	keyword := "readOnly"
	if s.answer {
		keyword = "writeOnly"
	}
	beside, _ := property.(map[string]any)
	behind, _ := s.document.follow(property)
	return behind[keyword] == true || !s.document.old && beside[keyword] == true
}

// dropHidden takes properties of the other direction out of required.
func (s *schemas) dropHidden(in, out map[string]any) {
	required, _ := out["required"].([]any)
	properties, _ := in["properties"].(map[string]any)
	if required == nil {
		return
	}
	out["required"] = slices.DeleteFunc(slices.Clone(required), func(name any) bool {
		text, _ := name.(string)
		property, there := properties[text]
		return there && s.hidden(property)
	})
}

// fromOld rewrites what OpenAPI 3.0 has of its own.
func fromOld(in, out map[string]any) {
	if kind, ok := in["type"].(string); ok && in["nullable"] == true {
		out["type"] = []any{kind, "null"}
		if enum, ok := in["enum"].([]any); ok && !slices.Contains(enum, nil) {
			out["enum"] = append(slices.Clone(enum), nil)
		}
	}
	for exclusive, bound := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		flag, ok := in[exclusive].(bool)
		if !ok {
			continue
		}
		delete(out, exclusive)
		if value, there := out[bound]; flag && there {
			out[exclusive] = value
			delete(out, bound)
		}
	}
}

// refer returns the name below $defs of what a $ref leads to, which is converted
// later: chains of references may be long.
func (s *schemas) refer(ref string) string {
	if name, ok := s.names[ref]; ok {
		return name
	}
	base := normal(unescape(ref[strings.LastIndexByte(ref, '/')+1:]))
	name := base
	for i := 2; ; i++ {
		if _, taken := s.defs[name]; !taken && name != "" {
			break
		}
		name = base + "_" + strconv.Itoa(i)
	}
	s.names[ref], s.defs[name] = name, true
	s.waiting = append(s.waiting, ref)
	return name
}

// follow returns an object behind its references.
func (d *document) follow(v any) (map[string]any, bool) {
	for range maxNesting {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		ref, ok := object["$ref"].(string)
		if !ok {
			return object, true
		}
		target, err := d.at(ref)
		if err != nil {
			return nil, false
		}
		v = target
	}
	return nil, false
}

// at returns what is at a local reference.
func (d *document) at(ref string) (any, error) {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil, fmt.Errorf("$ref %.200q: want a place in the document, such as #/components/schemas/Pet", ref)
	}
	v := d.raw
	for part := range strings.SplitSeq(pointer, "/") {
		switch in := v.(type) {
		case map[string]any:
			v = in[unescape(part)]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(in) {
				return nil, errAbsent(ref)
			}
			v = in[i]
		default:
			return nil, errAbsent(ref)
		}
	}
	if v == nil {
		return nil, errAbsent(ref)
	}
	return v, nil
}

// unescape decodes one part of a reference: of a URL, and of a JSON pointer.
func unescape(part string) string {
	if text, err := url.PathUnescape(part); err == nil {
		part = text
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
}

func errAbsent(ref string) error { return fmt.Errorf("$ref %.200q leads nowhere", ref) }
