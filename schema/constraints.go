package schema

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// values compiles the keywords for scalars.
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
