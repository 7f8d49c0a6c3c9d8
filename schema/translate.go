package schema

import (
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// subject is a field, or what is inside one, while rules become keywords of its
// schema. What JSON schema cannot say goes into the description in words.
type subject struct {
	d        *deriver
	s        *jsonschema.Schema
	t        reflect.Type // without pointers
	outer    reflect.Type // with them
	pointer  bool
	parent   reflect.Type // the struct with the field
	optional bool         // may be left out, which says what a zero value says
	quoted   bool
	path     string

	skip    bool // a rule before this one lets an empty value pass
	relaxed bool // and that value can be written
	present bool // the field must be there, and not be null
	words   []string
}

func (s *subject) apply(set *ruleSet) {
	for _, r := range set.rules {
		s.rule(r)
	}
	if !s.skip && !s.present && s.optional && s.emptyStructFails() {
		s.present = true
	}
	s.contradictions()
	if set.elem != nil {
		s.inside(set)
	}
	if len(s.words) > 0 {
		words := strings.Join(s.words, "; ")
		if s.s.Description != "" {
			words = s.s.Description + "; " + words
		}
		s.s.Description = words
	}
}

func (s *subject) rule(r rule) {
	switch {
	case r.skips():
		s.skip = true
		s.relaxed = s.emptyCanBeWritten(r)
		return
	case r.name == "required" && !r.either:
		s.required(r)
		return
	case r.crosses():
		s.say(r, "")
		return
	}
	fails := fails(reflect.Zero(s.outer), r.raw)
	if !s.skip && fails {
		s.mustBePresent()
	}
	switch {
	case s.relaxed && fails && r.name == "oneof":
		s.keyword(r)
		s.allowEmptyChoice()
	case s.relaxed && fails:
		s.say(r, ", or empty")
	case r.either || s.quoted || formOf(s.t) != formPlain || !s.keyword(r):
		s.say(r, "")
	}
}

// emptyCanBeWritten reports whether JSON can hold the value that r lets pass,
// and leaving the field out does not say the same.
func (s *subject) emptyCanBeWritten(r rule) bool {
	if s.optional || r.name == "omitnil" || s.pointer && r.name == "omitempty" {
		return false
	}
	switch s.t.Kind() {
	case reflect.Slice, reflect.Map:
		return r.name == "omitzero"
	case reflect.Interface, reflect.Struct:
		return false
	}
	return true
}

func (s *subject) required(r rule) {
	if s.skip {
		s.d.mistake(s.path, "required after a rule that lets an empty value pass never counts")
		return
	}
	s.mustBePresent()
	if s.pointer || s.quoted || formOf(s.t) != formPlain {
		return
	}
	switch {
	case s.t.Kind() == reflect.String:
		s.atLeast(&s.s.MinLength, 1, "minLength", r)
	case isUint(s.t):
		s.tighten(&s.s.Minimum, 1, false, "minimum", r)
	case isInt(s.t), isFloat(s.t):
		s.words = append(s.words, "must not be 0")
	case s.t.Kind() == reflect.Bool:
		s.constant(true, r)
	}
}

// mustBePresent puts the field among the required and takes null away.
func (s *subject) mustBePresent() {
	s.present = true
	if s.s.Types == nil {
		return
	}
	s.s.Types = slices.DeleteFunc(s.s.Types, func(t string) bool { return t == "null" })
	if len(s.s.Types) == 1 {
		s.s.Type, s.s.Types = s.s.Types[0], nil
	}
}

// emptyStructFails reports whether leaving out a struct leaves rules inside it
// broken.
func (s *subject) emptyStructFails() bool {
	if s.pointer || s.t.Kind() != reflect.Struct || formOf(s.t) != formPlain || len(s.d.errs) > 0 {
		return false
	}
	failed := false
	_ = guard(func() { failed = shared().Struct(reflect.Zero(s.t).Interface()) != nil })
	return failed
}

func (s *subject) allowEmptyChoice() {
	empty := reflect.Zero(s.t)
	switch {
	case s.s.Enum == nil:
	case s.t.Kind() == reflect.String:
		s.s.Enum = append(s.s.Enum, "")
	case isInt(s.t):
		s.s.Enum = append(s.s.Enum, empty.Int())
	default:
		s.s.Enum = append(s.s.Enum, empty.Uint())
	}
}

// inside applies the rules behind dive to the elements.
func (s *subject) inside(set *ruleSet) {
	if set.keys != nil {
		for _, r := range set.keys.rules {
			if !r.skips() {
				s.words = append(s.words, "each key "+describe(r, s.t.Key(), s.parent))
			}
		}
	}
	elem := s.s.Items
	if s.t.Kind() == reflect.Map {
		elem = s.s.AdditionalProperties
	}
	if elem == nil {
		return // custom JSON: nobody can say what is inside
	}
	in := subject{
		d: s.d, s: elem, t: deref(s.t.Elem()), outer: s.t.Elem(),
		pointer: s.t.Elem().Kind() == reflect.Pointer, parent: s.parent, path: s.path + "[]",
	}
	in.apply(set.elem)
}

// say puts the rule into words.
func (s *subject) say(r rule, suffix string) {
	s.words = append(s.words, describe(r, s.t, s.parent)+suffix)
}

func (s *subject) contradictions() {
	k := s.s
	switch {
	case k.Minimum != nil && k.Maximum != nil && *k.Minimum > *k.Maximum,
		k.Minimum != nil && k.ExclusiveMaximum != nil && *k.Minimum >= *k.ExclusiveMaximum,
		k.ExclusiveMinimum != nil && k.Maximum != nil && *k.ExclusiveMinimum >= *k.Maximum,
		k.ExclusiveMinimum != nil && k.ExclusiveMaximum != nil && *k.ExclusiveMinimum >= *k.ExclusiveMaximum,
		crossed(k.MinLength, k.MaxLength), crossed(k.MinItems, k.MaxItems), crossed(k.MinProperties, k.MaxProperties):
		s.d.mistake(s.path, "no value can satisfy these rules together")
	}
}

func crossed(least, most *int) bool { return least != nil && most != nil && *least > *most }
