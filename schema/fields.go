package schema

import (
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// goField is a struct field as encoding/json sees it.
type goField struct {
	name     string // in JSON
	tagged   bool   // the name comes from a tag
	index    []int
	sf       reflect.StructField
	parent   reflect.Type // the struct that declares it
	optional bool         // omitempty or omitzero
	quoted   bool         // the option "string"
}

// jsonFields returns the fields of struct type t that encoding/json reads and
// writes, by its rules for embedding and conflicts, in the order of the source.
func jsonFields(t reflect.Type) []goField {
	all := collectFields(t, nil, map[reflect.Type]bool{})
	named := map[string][]goField{}
	for _, f := range all {
		named[f.name] = append(named[f.name], f)
	}
	fields := all[:0:0]
	for _, f := range all {
		if hidesOthers(f, named[f.name]) {
			fields = append(fields, f)
		}
	}
	return fields
}

// hidesOthers reports whether f is the one that counts among fields of one
// name: less deep than the others, or as deep and the only one with a tag.
func hidesOthers(f goField, named []goField) bool {
	for _, other := range named {
		if slices.Equal(f.index, other.index) || len(f.index) < len(other.index) {
			continue
		}
		if len(f.index) > len(other.index) || !f.tagged || other.tagged {
			return false
		}
	}
	return true
}

func collectFields(t reflect.Type, index []int, open map[reflect.Type]bool) (fields []goField) {
	if open[t] {
		return nil
	}
	open[t] = true
	defer delete(open, t)
	for i := range t.NumField() {
		sf := t.Field(i)
		at := slices.Concat(index, []int{i})
		name, options, hasOptions := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "-" && !hasOptions {
			continue
		}
		if !validName(name) {
			name = ""
		}
		inner := deref(sf.Type)
		if !sf.IsExported() && (!sf.Anonymous || inner.Kind() != reflect.Struct) {
			continue
		}
		if sf.Anonymous && name == "" && inner.Kind() == reflect.Struct {
			fields = append(fields, collectFields(inner, at, open)...)
			continue
		}
		if !sf.IsExported() {
			continue
		}
		f := goField{name: name, tagged: name != "", index: at, sf: sf, parent: t}
		if name == "" {
			f.name = sf.Name
		}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty", "omitzero":
				f.optional = true
			case "string":
				f.quoted = quotable(sf.Type)
			}
		}
		fields = append(fields, f)
	}
	return fields
}

// quotable reports whether the option "string" means anything for t.
func quotable(t reflect.Type) bool {
	if t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return isInt(t) || isUint(t) || isFloat(t) || t.Kind() == reflect.Bool || t.Kind() == reflect.String
}

// validName is encoding/json's idea of a name in a tag.
func validName(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return name != ""
}

// jsonName returns the name of a field in JSON, "" for an embedded struct of
// which the fields stand in the outer object, and the Go name for a field that
// JSON does not have.
func jsonName(sf reflect.StructField) string {
	name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
	switch {
	case validName(name) && name != "-":
		return name
	case sf.Anonymous && deref(sf.Type).Kind() == reflect.Struct:
		return ""
	}
	return sf.Name
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func isInt(t reflect.Type) bool   { return reflect.Int <= t.Kind() && t.Kind() <= reflect.Int64 }
func isUint(t reflect.Type) bool  { return reflect.Uint <= t.Kind() && t.Kind() <= reflect.Uintptr }
func isFloat(t reflect.Type) bool { return t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64 }
