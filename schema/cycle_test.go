package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/schema"
)

// To follow them would end the process, with a stack that no recover can mend.
func TestFor_RefusesReferencesWithoutEnd(t *testing.T) {
	for name, raw := range map[string]string{
		"to itself":            `{"type":"object","$ref":"#"}`,
		"in a ring":            `{"type":"object","properties":{"x":{"$ref":"#/$defs/a"}},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`,
		"by allOf":             `{"type":"object","$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"anyOf":[{"$ref":"#/$defs/a"}]}]}}}`,
		"by oneOf":             `{"type":"object","$ref":"#/$defs/a","$defs":{"a":{"oneOf":[true,{"$ref":"#/$defs/a"}]}}}`,
		"by not":               `{"type":"object","not":{"$ref":"#"}}`,
		"by if":                `{"type":"object","if":{"$ref":"#"}}`,
		"by then":              `{"type":"object","if":true,"then":{"$ref":"#"}}`,
		"by a dependency":      `{"type":"object","dependentSchemas":{"a":{"$ref":"#"}}}`,
		"by an anchor":         `{"type":"object","$ref":"#x","$defs":{"a":{"$anchor":"x","$ref":"#x"}}}`,
		"by a dynamic one":     `{"type":"object","$defs":{"a":{"$dynamicAnchor":"x","$dynamicRef":"#x"}},"$ref":"#/$defs/a"}`,
		"with escapes":         `{"type":"object","$ref":"#/$defs/a~1b%7Ec","$defs":{"a/b~c":{"$ref":"#/$defs/a~1b~0c"}}}`,
		"that nobody uses":     `{"type":"object","$defs":{"a":{"$ref":"#/$defs/a"}}}`,
		"below another base":   `{"type":"object","properties":{"x":{"$id":"https://a.example/x","$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}}}`,
		"by an item of a list": `{"type":"object","allOf":[{"$ref":"#/allOf/1"},{"$ref":"#/allOf/0"}]}`,
	} {
		_, err := schema.For[any](&schema.Options{JSONSchema: json.RawMessage(raw)})
		if err == nil || !strings.Contains(err.Error(), "leads back to itself") && name != "below another base" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFor_TakesReferencesThatGoIntoTheValue(t *testing.T) {
	for name, raw := range map[string]string{
		"a tree":           `{"type":"object","properties":{"left":{"$ref":"#"},"right":{"$ref":"#"}},"additionalProperties":false}`,
		"a list":           `{"type":"object","properties":{"list":{"$ref":"#/$defs/l"}},"$defs":{"l":{"type":"array","items":{"anyOf":[{"type":"string"},{"$ref":"#/$defs/l"}]}}}}`,
		"a diamond":        `{"type":"object","allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"type":"object"}}}`,
		"a property allOf": `{"type":"object","properties":{"allOf":{"$ref":"#"}}}`,
	} {
		s, err := schema.For[any](&schema.Options{JSONSchema: json.RawMessage(raw)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := s.Decode([]byte(`{"left":{"left":{}},"list":[["a",["b"]]],"allOf":{"allOf":{}}}`)); err != nil && name != "a tree" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
