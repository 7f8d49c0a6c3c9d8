package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// judge is jsonschema-go, for keywords that this package does not know.
type judge struct {
	resolved *jsonschema.Resolved
}

// validate returns the first thing that is wrong, or nil.
func (j *judge) validate(data []byte) (*Problem, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	err := j.resolved.Validate(numbers(value))
	if err == nil {
		return nil, nil
	}
	return problemOf(err), err
}

// numbers replaces each json.Number, which jsonschema-go takes for a string,
// with an integer where one holds it and else with a float64. Only the judge
// sees what that rounds; the value is decoded from the bytes.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(string(v), 10, 64); err == nil {
			return n
		}
		f, _ := v.Float64() // finite: strictjson.Check saw to it
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return value
}

var (
	judgedAt = regexp.MustCompile(`validating (\S+): `)
	keyword  = regexp.MustCompile(`^([A-Za-z]+)(?:\[.*?\])?: `)
)

// problemOf words an error of jsonschema-go. Its own text repeats whole values,
// so only the schema's side of it is used: where, and which keyword.
func problemOf(err error) *Problem {
	text, pointer := err.Error(), ""
	for {
		at := judgedAt.FindStringSubmatchIndex(text)
		if at == nil || at[0] != 0 {
			break
		}
		pointer, text = text[at[2]:at[3]], text[at[1]:]
	}
	p := &Problem{Field: fieldOf(pointer), Rule: "schema"}
	if m := keyword.FindStringSubmatch(text); m != nil {
		p.Rule = m[1]
	} else if strings.HasPrefix(text, "unexpected additional properties") {
		p.Rule = "additionalProperties"
	}
	p.label = p.Rule
	if pointer != "" && pointer != "root" {
		p.label += " of " + pointer
	}
	switch p.Rule {
	case "required", "dependentRequired":
		p.Problem = clipList(text) // names from the schema
	case "multipleOf":
		p.Problem = "must be a multiple of " + text[strings.LastIndexByte(text, ' ')+1:]
	case "anyOf":
		p.Problem = "must match at least one of the schemas in anyOf"
	case "oneOf":
		p.Problem = "must match exactly one of the schemas in oneOf"
	case "not":
		p.Problem = "must not match the schema in not"
	case "additionalProperties":
		p.Problem = "has a member that the schema does not allow"
	default:
		p.Problem = fmt.Sprintf("does not satisfy %s of the schema", p.Rule)
	}
	return p
}

// fieldOf returns the properties on the way of a JSON pointer into a schema.
func fieldOf(pointer string) (field string) {
	steps := strings.Split(pointer, "/")
	for i := 1; i < len(steps); i++ {
		switch steps[i] {
		case "properties":
			if i++; i < len(steps) {
				field = join(field, strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[i]))
			}
		case "items":
			field += "[]"
		case "$defs", "definitions":
			return "" // a reference led here, from somewhere
		}
	}
	return field
}
