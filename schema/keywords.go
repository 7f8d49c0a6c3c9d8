package schema

import (
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// keyword translates a rule exactly, or reports that no keyword says the same.
func (s *subject) keyword(r rule) bool {
	switch {
	case isInt(s.t), isUint(s.t), isFloat(s.t):
		return s.numeric(r)
	case s.t.Kind() == reflect.String:
		return s.text(r)
	case s.t.Kind() == reflect.Bool && r.name == "eq":
		value, err := strconv.ParseBool(r.param)
		return err == nil && s.constant(value, r)
	case s.t.Kind() == reflect.Slice, s.t.Kind() == reflect.Array:
		if r.name == "unique" && r.param == "" {
			s.s.UniqueItems = true
			s.d.origins.set(s.s, "uniqueItems", r.raw)
			return true
		}
		return s.size(r, &s.s.MinItems, &s.s.MaxItems, "minItems", "maxItems")
	case s.t.Kind() == reflect.Map:
		return s.size(r, &s.s.MinProperties, &s.s.MaxProperties, "minProperties", "maxProperties")
	}
	return false
}

func (s *subject) numeric(r rule) bool {
	if r.name == "oneof" {
		return s.choice(r)
	}
	value, exact, ok := numberParam(s.t, r.param)
	if !ok {
		return false
	}
	switch r.name {
	case "gte", "min":
		return s.tighten(&s.s.Minimum, roundDown(value, exact), false, "minimum", r) && exact
	case "lte", "max":
		return s.tighten(&s.s.Maximum, roundUp(value, exact), true, "maximum", r) && exact
	case "gt":
		return exact && s.tighten(&s.s.ExclusiveMinimum, value, false, "exclusiveMinimum", r)
	case "lt":
		return exact && s.tighten(&s.s.ExclusiveMaximum, value, true, "exclusiveMaximum", r)
	case "eq", "len":
		return exact && s.constant(value, r)
	}
	return false
}

// numberParam reads a parameter as validator does for type t, and says whether
// a float64, which is all that a bound in a schema can be, holds it exactly.
func numberParam(t reflect.Type, param string) (value float64, exact, ok bool) {
	if isFloat(t) {
		value, err := strconv.ParseFloat(param, t.Bits())
		// A float32 of 0.1 is not 0.1; only the rule itself compares as it does.
		return value, t.Bits() == 64 || value == math.Trunc(value), err == nil
	}
	if t == durationType {
		if d, err := time.ParseDuration(param); err == nil {
			return float64(d), d == time.Duration(float64(d)), true
		}
	}
	if isUint(t) {
		n, err := strconv.ParseUint(param, 0, 64)
		return float64(n), n < 1<<53, err == nil
	}
	n, err := strconv.ParseInt(param, 0, 64)
	return float64(n), -1<<53 < n && n < 1<<53, err == nil
}

// roundDown and roundUp keep an inexact bound from refusing what the rule allows.
func roundDown(f float64, exact bool) float64 {
	if exact {
		return f
	}
	return math.Nextafter(f, math.Inf(-1))
}

func roundUp(f float64, exact bool) float64 {
	if exact {
		return f
	}
	return math.Nextafter(f, math.Inf(1))
}

func (s *subject) size(r rule, least, most **int, leastName, mostName string) bool {
	n, err := strconv.ParseInt(r.param, 0, 32)
	if err != nil {
		return false
	}
	size := int(n)
	switch r.name {
	case "gte", "min":
		return s.atLeast(least, size, leastName, r)
	case "gt":
		return s.atLeast(least, size+1, leastName, r)
	case "lte", "max":
		return s.atMost(most, size, mostName, r)
	case "lt":
		return s.atMost(most, size-1, mostName, r)
	case "len", "eq":
		return s.atLeast(least, size, leastName, r) && s.atMost(most, size, mostName, r)
	}
	return false
}

// formats are rules for strings with the format a client may know. The format
// is a hint: the rule itself decides.
var formats = map[string]string{
	"email": "email", "url": "uri", "uri": "uri", "http_url": "uri", "https_url": "uri",
	"uuid": "uuid", "uuid3": "uuid", "uuid4": "uuid", "uuid5": "uuid", "uuid7": "uuid", "uuid_rfc4122": "uuid",
	"uuid3_rfc4122": "uuid", "uuid4_rfc4122": "uuid", "uuid5_rfc4122": "uuid",
	"ipv4": "ipv4", "ip4_addr": "ipv4", "ipv6": "ipv6", "ip6_addr": "ipv6",
	"hostname": "hostname", "hostname_rfc1123": "hostname", "fqdn": "hostname",
}

// enough are the rules that their format says whole.
var enough = map[string]bool{
	"email": true, "url": true, "uri": true, "uuid": true, "ipv4": true, "ipv6": true,
	"hostname": true, "hostname_rfc1123": true, "datetime": true,
}

// patterns are rules for strings that one expression says exactly.
var patterns = map[string]string{
	"alpha": `^[a-zA-Z]+$`, "alphaspace": `^[a-zA-Z ]+$`,
	"alphanum": `^[a-zA-Z0-9]+$`, "alphanumspace": `^[a-zA-Z0-9 ]+$`,
	"number": `^[0-9]+$`, "numeric": `^[-+]?[0-9]+(?:\.[0-9]+)?$`, "hexadecimal": `^(0[xX])?[0-9a-fA-F]+$`,
	"hexcolor": `^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$`,
	"md5":      `^[0-9a-f]{32}$`, "sha256": `^[0-9a-f]{64}$`, "sha512": `^[0-9a-f]{128}$`,
}

func (s *subject) text(r rule) bool {
	switch r.name {
	case "oneof":
		return s.choice(r)
	case "eq":
		return s.constant(r.param, r)
	case "startswith":
		return s.pattern("^"+regexp.QuoteMeta(r.param), r)
	case "endswith":
		return s.pattern(regexp.QuoteMeta(r.param)+"$", r)
	case "contains":
		return s.pattern(regexp.QuoteMeta(r.param), r)
	case "datetime":
		return s.format(layoutFormat(r.param), r)
	}
	if expression, ok := patterns[r.name]; ok {
		return s.pattern(expression, r)
	}
	if format, ok := formats[r.name]; ok {
		return s.format(format, r)
	}
	return s.size(r, &s.s.MinLength, &s.s.MaxLength, "minLength", "maxLength")
}

func layoutFormat(layout string) string {
	switch layout {
	case time.RFC3339, time.RFC3339Nano:
		return "date-time"
	case time.DateOnly:
		return "date"
	}
	return ""
}

// format sets a format, and reports whether it says all of the rule.
func (s *subject) format(format string, r rule) bool {
	if format == "" || s.s.Format != "" {
		return false
	}
	if s.d.flat && format != "email" && format != "uri" && format != "date" && format != "date-time" {
		return false // elicitation knows four formats
	}
	s.s.Format = format
	return enough[r.name]
}

func (s *subject) pattern(expression string, r rule) bool {
	if s.s.Pattern != "" {
		return false
	}
	s.s.Pattern = expression
	s.d.origins.set(s.s, "pattern", r.raw)
	return true
}

func (s *subject) choice(r rule) bool {
	var choices []any
	for _, word := range oneofWords.FindAllString(r.param, -1) {
		word = strings.ReplaceAll(word, "'", "")
		switch {
		case s.t.Kind() == reflect.String:
			choices = append(choices, word)
		case isInt(s.t):
			n, err := strconv.ParseInt(word, 10, s.t.Bits())
			if err != nil {
				s.d.mistake(s.path, "%s: %q is no %s", r.raw, word, s.t)
			}
			choices = append(choices, n)
		case isUint(s.t):
			n, err := strconv.ParseUint(word, 10, s.t.Bits())
			if err != nil {
				s.d.mistake(s.path, "%s: %q is no %s", r.raw, word, s.t)
			}
			choices = append(choices, n)
		}
	}
	if len(choices) == 0 {
		s.d.mistake(s.path, "%s: no choice", r.raw)
	}
	if s.s.Enum != nil {
		return false
	}
	s.s.Enum = choices
	s.d.origins.set(s.s, "enum", r.raw)
	return true
}

// oneofWords is how validator reads the parameter.
var oneofWords = regexp.MustCompile(`'[^']*'|\S+`)

func (s *subject) constant(value any, r rule) bool {
	if s.s.Const != nil {
		return false
	}
	s.s.Const = &value
	s.d.origins.set(s.s, "const", r.raw)
	return true
}

// tighten sets a bound unless a stricter one is there.
func (s *subject) tighten(bound **float64, value float64, upper bool, keyword string, r rule) bool {
	if *bound == nil || upper && value < **bound || !upper && value > **bound {
		*bound = &value
		s.d.origins.set(s.s, keyword, r.raw)
	}
	return true
}

func (s *subject) atLeast(bound **int, value int, keyword string, r rule) bool {
	if *bound == nil || value > **bound {
		*bound = &value
		s.d.origins.set(s.s, keyword, r.raw)
	}
	return true
}

func (s *subject) atMost(bound **int, value int, keyword string, r rule) bool {
	if *bound == nil || value < **bound {
		*bound = &value
		s.d.origins.set(s.s, keyword, r.raw)
	}
	return true
}
