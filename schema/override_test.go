package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/trestle-mcp/trestle/schema"
)

type given struct {
	A int            `json:"a,omitempty"`
	B string         `json:"b,omitempty" validate:"omitempty,lowercase"`
	C map[string]any `json:"c,omitempty"`
	D *given2        `json:"d,omitempty"`
}

type given2 struct {
	X int `json:"x,omitempty"`
	Y int `json:"y,omitempty"`
}

func override(text string) *schema.Options {
	return &schema.Options{JSONSchema: json.RawMessage(text)}
}

func TestFor_KeepsEveryKeywordOfAGivenSchema(t *testing.T) {
	const text = `{"x-top":{"k":[1,2]},"type":"object","properties":{"b":{"type":"string","x-widget":"area"},"a":{"type":"integer"}},"required":["a"]}`
	s := mustFor[given](t, override(" "+strings.Replace(text, ",", " ,\n", 3)))
	if diff := cmp.Diff(text, string(s.JSON())); diff != "" {
		t.Error(diff)
	}
	want := []schema.Field{{Name: "b"}, {Name: "a", Required: true}}
	if diff := cmp.Diff(want, s.Fields()); diff != "" {
		t.Error(diff)
	}
	js := &jsonschema.Schema{Type: "object", Extra: map[string]any{"x-y": true}}
	for _, form := range []any{js, *js, map[string]any{"type": "object", "x-y": true}} {
		if s := mustFor[given](t, &schema.Options{JSONSchema: form}); !strings.Contains(string(s.JSON()), `"x-y":true`) {
			t.Errorf("%T: %s", form, s.JSON())
		}
	}
}

func TestDecode_JudgesByGivenSchemas(t *testing.T) {
	for _, c := range []struct{ name, schema, ok, bad, want string }{
		{"minimum", `{"properties":{"a":{"minimum":2}}}`, `{"a":2}`, `{"a":1}`, "a: must be at least 2, got 1 (rule: minimum)"},
		{"decimal bounds", `{"properties":{"c":{"additionalProperties":{"minimum":0.1}}}}`, `{"c":{"k":0.1}}`, `{"c":{"k":0.05}}`, "c[k]: must be at least 0.1, got 0.05 (rule: minimum)"},
		{"mixed enum", `{"properties":{"c":{"additionalProperties":{"enum":["x",1,null,true]}}}}`, `{"c":{"k":1.0,"l":null,"m":true}}`, `{"c":{"k":false}}`, `c[k]: must be one of "x", 1, null, true, got false (rule: enum)`},
		{"multipleOf", `{"properties":{"a":{"multipleOf":5}}}`, `{"a":10}`, `{"a":11}`, "a: must be a multiple of 5.000000 (rule: multipleOf of /properties/a)"},
		{"anyOf", `{"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1}`, `{"c":{}}`, "must match at least one of the schemas in anyOf (rule: anyOf)"},
		{"oneOf", `{"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1}`, `{"a":1,"b":"x"}`, "must match exactly one of the schemas in oneOf (rule: oneOf)"},
		{"if", `{"if":{"required":["a"]},"then":{"required":["b"]}}`, `{"a":1,"b":"x"}`, `{"a":1}`, `required: missing properties: ["b"] (rule: required of /then)`},
		{"$ref", `{"$defs":{"n":{"type":"integer","maximum":3}},"properties":{"a":{"$ref":"#/$defs/n"}}}`, `{"a":3}`, `{"a":4}`, "does not satisfy maximum of the schema (rule: maximum of /$defs/n)"},
		{"patternProperties", `{"properties":{"c":{"patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}}}`, `{"c":{"xa":"s"}}`, `{"c":{"y":1}}`, "c: has a member that the schema does not allow (rule: additionalProperties of /properties/c)"},
		{"dependentRequired", `{"dependentRequired":{"a":["b"]}}`, `{"a":1,"b":"x"}`, `{"a":1}`, `dependentRequired["a"]: missing properties ["b"] (rule: dependentRequired)`},
		{"draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b"]}}`, `{"b":"x"}`, `{"a":1}`, `dependentRequired["a"]: missing properties ["b"] (rule: dependentRequired)`},
		{"const object", `{"properties":{"c":{"const":{"k":1}}}}`, `{"c":{"k":1}}`, `{"c":{"k":2}}`, "c: does not satisfy const of the schema (rule: const of /properties/c)"},
		{"tags hold, too", `{"type":"object"}`, `{"b":"low"}`, `{"b":"HIGH"}`, `b: must be in lower case, got "HIGH" (rule: lowercase)`},
		{"the Go type holds, too", `{"type":"object"}`, `{"a":1}`, `{"a":1.5}`, "a: must be an integer, got 1.5"},
		{"unknown keywords beside known ones", `{"allOf":[{}],"properties":{"a":{"maximum":1}}}`, `{"a":1}`, `{"a":2}`, "a: must be at most 1, got 2 (rule: maximum)"},
		{"minProperties", `{"minProperties":1}`, `{"a":1}`, `{}`, "must not be empty (rule: minProperties)"},
	} {
		s, err := schema.For[given](override(c.schema))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := s.Decode([]byte(c.ok)); err != nil {
			t.Errorf("%s: Decode(%s): %v", c.name, c.ok, err)
		}
		_, err = s.Decode([]byte(c.bad))
		if err == nil {
			t.Errorf("%s: accepts %s", c.name, c.bad)
			continue
		}
		if diff := cmp.Diff([]string{c.want}, lines(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestDecode_StaysExactBeneathTheJudge(t *testing.T) {
	s := mustFor[given](t, override(`{"anyOf":[{"type":"object"}],"properties":{"a":{"type":"integer"}}}`))
	v, err := s.Decode([]byte(`{"a":9007199254740993,"c":{"big":123456789012345678901234567890,"e":1e3}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := given{A: 9007199254740993, C: map[string]any{"big": json.Number("123456789012345678901234567890"), "e": json.Number("1e3")}}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	for _, in := range []string{`{"A":1}`, `{"a":1,"a":2}`, `{"d":{"X":1}}`, `{"a":9223372036854775808}`} {
		if _, err := s.Decode([]byte(in)); err == nil {
			t.Errorf("accepts %s", in)
		}
	}
}

func TestDecode_FillsInDefaults(t *testing.T) {
	const props = `"properties":{"a":{"type":"integer","default":7.0},"b":{"default":"low"},"c":{"default":{"k":[1]}},` +
		`"d":{"type":"object","properties":{"x":{"type":"integer","default":3},"y":{"type":"integer"}}}}`
	for _, text := range []string{`{"type":"object",` + props + `}`, `{"allOf":[{"type":"object"}],` + props + `}`} {
		s := mustFor[given](t, override(text))
		one := map[string]any{"k": []any{json.Number("1")}}
		for in, want := range map[string]given{
			`{}`:                      {7, "low", one, &given2{3, 0}},
			"\t{ }":                   {7, "low", one, &given2{3, 0}},
			`{"a":1,"d":{"y":2}}`:     {1, "low", one, &given2{3, 2}},
			`{"b":"x","c":{},"d":{}}`: {7, "x", map[string]any{}, &given2{3, 0}},
			`{"d":{"x":1,"y":1e1}}`:   {7, "low", one, &given2{1, 10}},
		} {
			v, err := s.Decode([]byte(in))
			if err != nil {
				t.Errorf("%s: %v", in, err)
			}
			if diff := cmp.Diff(want, v); diff != "" {
				t.Errorf("%s:\n%s", in, diff)
			}
		}
	}
}

func TestFor_RefusesGivenSchemasThatCannotWork(t *testing.T) {
	for text, want := range map[string]string{
		`{"properties":{"a":{"$ref":"https://example.com/s.json"}}}`: "not local",
		`{"$ref":"other.json#/x"}`:                                   "not local",
		`{"allOf":[{"items":{"$dynamicRef":"http://x/#y"}}]}`:        "not local",
		`{"$ref":"#/$defs/none"}`:                                    "none",
		`{"type":"objekt"}`:                                          `unknown type "objekt"`,
		`{"properties":{"a":{"type":"string"}}}`:                     "a: Go type int cannot take",
		`{"properties":{"b":{"pattern":"("}}}`:                       "b: pattern",
		`{"properties":{"a":{"type":"integer","default":"x"}}}`:      "a: default: must be an integer",
		`{"properties":{"a":{"enum":[]}}}`:                           "enum without a value",
		`{"$schema":"http://json-schema.org/draft-04/schema#"}`:      "unknown $schema",
		`[]`:                                "want an object",
		`{`:                                 "JSONSchema",
		`{"type":"object","type":"object"}`: "duplicate key",
		`{"type":1}`:                        "JSONSchema",
		`{"required":["z"],"additionalProperties":false}`: "z: required, but",
	} {
		if _, err := schema.For[given](override(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := schema.For[given](&schema.Options{JSONSchema: make(chan int)}); err == nil {
		t.Error("accepts a channel as a schema")
	}
}

func TestFor_FlatAllowsPrimitivesOnly(t *testing.T) {
	type form struct {
		Name string  `json:"name" validate:"required"`
		Age  *int    `json:"age,omitempty" validate:"omitempty,gte=18"`
		Rate float64 `json:"rate,omitempty"`
		OK   bool    `json:"ok,omitempty"`
		Host string  `json:"host,omitempty" validate:"omitempty,hostname"`
	}
	s := mustFor[form](t, &schema.Options{Flat: true})
	const want = `{"type":"object","properties":{"name":{"type":"string","minLength":1},"age":{"type":"integer","minimum":18},` +
		`"rate":{"type":"number"},"ok":{"type":"boolean"},"host":{"type":"string","description":"must be a host name"}},` +
		`"required":["name"],"additionalProperties":false}`
	if diff := cmp.Diff(want, string(s.JSON())); diff != "" {
		t.Error(diff)
	}
	type deep struct {
		List []string `json:"list"`
		Any  any      `json:"any"`
		Sub  struct{} `json:"sub"`
	}
	_, err := schema.For[deep](&schema.Options{Flat: true})
	for _, name := range []string{"list", "any", "sub"} {
		if err == nil || !strings.Contains(err.Error(), name+": a flat schema has only") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := schema.For[[]string](&schema.Options{Flat: true}); err == nil {
		t.Error("accepts a list at the top")
	}
}
