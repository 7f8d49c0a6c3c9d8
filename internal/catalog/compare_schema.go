package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// schema returns a schema as JSON decodes it, or nil where there is none.
func schema(v any) map[string]any {
	if v == nil {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil
	}
	return m
}

// input reports how arguments that were right may be wrong now.
func (d *differ) input(subject, where string, from, to map[string]any) {
	if reflect.DeepEqual(from, to) {
		return
	}
	d.types(subject, where, from, to, true)
	d.values(subject, where, from, to, true)
	d.bounds(subject, where, from, to)
	was, is := properties(from), properties(to)
	required, needed := names(from["required"]), names(to["required"])
	for _, name := range slices.Sorted(maps.Keys(was)) {
		p, there := is[name]
		switch {
		case !there && to["additionalProperties"] == false:
			d.add(true, subject, "%s: %q is unknown", where, name)
		case !there:
			d.add(false, subject, "%s: %q is not described", where, name)
		default:
			d.input(subject, where+"."+name, was[name], p)
		}
		if slices.Contains(needed, name) && !slices.Contains(required, name) {
			d.add(true, subject, "%s: %q is required", where, name)
		}
		if there && slices.Contains(required, name) && !slices.Contains(needed, name) {
			d.add(false, subject, "%s: %q is optional", where, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, old := was[name]; !old {
			must := slices.Contains(needed, name)
			d.add(must, subject, "%s: %q added%s", where, name, map[bool]string{true: ", and required"}[must])
		}
	}
	if a, b := object(from["items"]), object(to["items"]); a != nil && b != nil {
		d.input(subject, where+"[]", a, b)
	}
	d.other(subject, where, from, to)
}

// output reports how answers may lack what clients relied upon.
func (d *differ) output(subject, where string, from, to map[string]any) {
	if reflect.DeepEqual(from, to) {
		return
	}
	d.types(subject, where, from, to, false)
	d.values(subject, where, from, to, false)
	was, is := properties(from), properties(to)
	required, promised := names(from["required"]), names(to["required"])
	for _, name := range slices.Sorted(maps.Keys(was)) {
		p, there := is[name]
		switch {
		case !there:
			d.add(true, subject, "%s: %q removed", where, name)
			continue
		case slices.Contains(required, name) && !slices.Contains(promised, name):
			d.add(true, subject, "%s: %q may be missing", where, name)
		}
		d.output(subject, where+"."+name, was[name], p)
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, old := was[name]; !old {
			d.add(false, subject, "%s: %q added", where, name)
		}
	}
	if a, b := object(from["items"]), object(to["items"]); a != nil && b != nil {
		d.output(subject, where+"[]", a, b)
	}
	d.other(subject, where, from, to)
}

// types compares the types: of arguments none may go, of answers none may come.
func (d *differ) types(subject, where string, from, to map[string]any, in bool) {
	was, is := typesOf(from), typesOf(to)
	if slices.Equal(was, is) {
		return
	}
	narrow := wider(was, is)
	if !in {
		narrow = wider(is, was)
	}
	d.add(narrow, subject, "%s: type %v instead of %v", where, is, was)
}

// wider reports whether a holds what b does not. No type at all holds everything.
func wider(a, b []string) bool {
	if len(b) == 0 {
		return false
	}
	if len(a) == 0 {
		return true
	}
	return slices.ContainsFunc(a, func(t string) bool {
		return !slices.Contains(b, t) && (t != "integer" || !slices.Contains(b, "number"))
	})
}

// values compares enumerations, as types does types.
func (d *differ) values(subject, where string, from, to map[string]any, in bool) {
	was, hadValues := enum(from)
	is, hasValues := enum(to)
	if !hadValues && !hasValues {
		return
	}
	missing := func(a, b []any) (gone []any) {
		for _, v := range a {
			if !slices.ContainsFunc(b, func(w any) bool { return reflect.DeepEqual(v, w) }) {
				gone = append(gone, v)
			}
		}
		return gone
	}
	switch {
	case !hadValues:
		d.add(in, subject, "%s: one of %v only", where, is)
		return
	case !hasValues:
		d.add(!in, subject, "%s: any value", where)
		return
	}
	if gone := missing(was, is); len(gone) > 0 {
		d.add(in, subject, "%s: %v is none of its values", where, gone)
	}
	if come := missing(is, was); len(come) > 0 {
		d.add(!in, subject, "%s: may be %v", where, come)
	}
}

var (
	lowerBounds = []string{"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
	upperBounds = []string{"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
	otherBounds = []string{"pattern", "format", "multipleOf", "uniqueItems"}
)

// bounds compares what arguments must keep to.
func (d *differ) bounds(subject, where string, from, to map[string]any) {
	compare := func(key string, tighter func(was, is float64) bool) {
		was, had := from[key].(float64)
		is, has := to[key].(float64)
		if had == has && was == is {
			return
		}
		d.add(has && (!had || tighter(was, is)), subject, "%s: %s %v instead of %v", where, key, text(to[key]), text(from[key]))
	}
	for _, key := range lowerBounds {
		compare(key, func(was, is float64) bool { return is > was })
	}
	for _, key := range upperBounds {
		compare(key, func(was, is float64) bool { return is < was })
	}
	for _, key := range otherBounds {
		if !reflect.DeepEqual(from[key], to[key]) {
			d.add(to[key] != nil && to[key] != false, subject, "%s: %s %v instead of %v", where, key, text(to[key]), text(from[key]))
		}
	}
	if from["additionalProperties"] != false && to["additionalProperties"] == false {
		d.add(true, subject, "%s: nothing unknown any more", where)
	}
}

// other reports what is not looked into: it may break clients or not.
func (d *differ) other(subject, where string, from, to map[string]any) {
	for _, key := range []string{"anyOf", "oneOf", "allOf", "not", "if", "then", "else", "const", "$ref", "$defs", "patternProperties"} {
		if !reflect.DeepEqual(from[key], to[key]) {
			d.add(true, subject, "%s: another %s, which may refuse what was right", where, key)
		}
	}
	if from["description"] != to["description"] {
		d.add(false, subject, "%s: other description", where)
	}
}

func text(v any) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(v)
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func properties(s map[string]any) map[string]map[string]any {
	all := map[string]map[string]any{}
	for name, p := range object(s["properties"]) {
		all[name] = object(p)
	}
	return all
}

func names(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// typesOf returns the types of a schema, sorted; none means any.
func typesOf(s map[string]any) []string {
	if t, ok := s["type"].(string); ok {
		return []string{t}
	}
	return slices.Sorted(slices.Values(names(s["type"])))
}

func enum(s map[string]any) ([]any, bool) {
	list, ok := s["enum"].([]any)
	return list, ok
}
