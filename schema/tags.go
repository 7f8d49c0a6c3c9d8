package schema

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-playground/validator/v10"
)

// tags applies the validate tags of a Go type.
type tags struct {
	validate *validator.Validate
	t        reflect.Type // without pointers
}

// tagsOf returns nil if t has no validate tags that it could apply.
func tagsOf(t reflect.Type) (*tags, error) {
	t = deref(t)
	f := tagFinder{open: map[reflect.Type]bool{}, dives: map[reflect.Type]map[string]string{}}
	if !f.has(t) {
		return nil, nil //nolint:nilnil // no tags
	}
	v := &tags{validate: shared(), t: t}
	if len(f.dives) > 0 {
		v.validate = newValidator()
		for t, rules := range f.dives {
			v.validate.RegisterStructValidationMapRules(rules, reflect.Zero(t).Interface())
		}
	}
	tries := []reflect.Value{reflect.Zero(t)}
	if !f.effects {
		tries = append(tries, sample(t, 0))
	}
	for _, value := range tries {
		if err := guard(func() { _ = v.run(value) }); err != nil {
			return nil, fmt.Errorf("validate tags: %w", err)
		}
	}
	return v, nil
}

// run applies the tags to value, which is of type v.t.
func (v *tags) run(value reflect.Value) error {
	if v.t.Kind() == reflect.Struct {
		if value.CanAddr() {
			value = value.Addr() // no copy
		}
		return v.validate.Struct(value.Interface())
	}
	return v.validate.Var(value.Interface(), strings.TrimSuffix(strings.Repeat("dive,", containers(v.t)), ","))
}

// tagFinder looks for validate tags. Rules inside the elements of a slice or
// map count without a dive too, since they are in the schema: dives holds the
// tags of fields with the dives that they lack.
type tagFinder struct {
	open  map[reflect.Type]bool
	dives map[reflect.Type]map[string]string
	// effects is set if a rule asks the file system or the network.
	effects bool
}

func (f *tagFinder) has(t reflect.Type) (found bool) {
	t = innermost(t)
	if t.Kind() != reflect.Struct || f.open[t] || formOf(t) != formPlain {
		return false
	}
	f.open[t] = true
	defer delete(f.open, t)
	for sf := range t.Fields() {
		tag := sf.Tag.Get("validate")
		set := parseRules(tag)
		if tag == "-" || !sf.IsExported() && !sf.Anonymous {
			continue
		}
		found = found || tag != ""
		for word := range strings.FieldsFuncSeq(tag, func(r rune) bool { return r == ',' || r == '|' }) {
			f.effects = f.effects || effects[word]
		}
		if set.off || !f.has(sf.Type) {
			continue
		}
		found = true
		if lacking := containers(sf.Type) - set.depth(); lacking > 0 {
			if f.dives[t] == nil {
				f.dives[t] = map[string]string{}
			}
			f.dives[t][sf.Name] = strings.TrimPrefix(tag+strings.Repeat(",omitempty,dive", lacking), ",")
		}
	}
	return found
}

// containers counts the slices, arrays and maps around what t holds.
func containers(t reflect.Type) int {
	switch t = deref(t); t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return 1 + containers(t.Elem())
	}
	return 0
}

func innermost(t reflect.Type) reflect.Type {
	for {
		switch t = deref(t); t.Kind() {
		case reflect.Slice, reflect.Array, reflect.Map:
			t = t.Elem()
		default:
			return t
		}
	}
}

// check reports what the tags have against value, but for fields that the
// report names already, and for what lies in or around them: these values may
// not be the ones that were sent.
func (v *tags) check(value reflect.Value, r *report) error {
	for value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	var err error
	if p := guard(func() { err = v.run(value) }); p != nil {
		return p // a rule that does not suit the type of a value
	}
	var broken validator.ValidationErrors
	if err == nil || !errors.As(err, &broken) {
		return err
	}
	seen := r.problems
	for _, fe := range broken {
		field := strings.TrimPrefix(fe.Namespace(), v.t.Name()+".")
		if v.t.Name() == "" || v.t.Kind() != reflect.Struct {
			field = fe.Namespace()
		}
		field = printablePath(field)
		broke := rule{name: fe.Tag(), param: fe.Param(), raw: fe.Tag()}
		if strings.Contains(fe.Tag(), "|") {
			broke.either = true
		} else if fe.Param() != "" {
			broke.raw += "=" + fe.Param()
		}
		if covered(field, seen) || len(seen) > 0 && broke.crosses() || r.full() {
			continue
		}
		t := fe.Type()
		if t == nil {
			t = v.t
		}
		words := describe(broke, deref(t), v.parent(fe.StructNamespace()))
		r.problems = append(r.problems, Problem{
			Field: field, Rule: broke.raw, Expected: strings.TrimPrefix(words, "must be "),
			Problem: words + gotValue(fe.Value()), label: broke.raw,
		})
	}
	return nil
}

// covered reports whether a problem is at, in or around the field.
func covered(field string, problems []Problem) bool {
	for _, p := range problems {
		if p.Field == field || within(p.Field, field) || within(field, p.Field) {
			return true
		}
	}
	return false
}

func within(inner, outer string) bool {
	return outer == "" || len(inner) > len(outer) && strings.HasPrefix(inner, outer) &&
		(inner[len(outer)] == '.' || inner[len(outer)] == '[')
}

// parent returns the struct type that holds the field at a path in Go names.
func (v *tags) parent(path string) reflect.Type {
	path = strings.TrimPrefix(path, v.t.Name()+".")
	t := innermost(v.t)
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		name, _, _ = strings.Cut(name, "[")
		sf, ok := fieldNamed(t, name)
		if !ok {
			continue
		}
		t = innermost(sf.Type)
	}
	return t
}

// gotValue tells a short scalar.
func gotValue(value any) string {
	v := reflect.ValueOf(value)
	for v.IsValid() && v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return ""
	case v.Kind() == reflect.String && v.Len() <= maxEcho:
		return fmt.Sprintf(", got %q", v.String())
	case isInt(v.Type()), isUint(v.Type()), isFloat(v.Type()), v.Kind() == reflect.Bool:
		return fmt.Sprintf(", got %v", v.Interface())
	}
	return ""
}

// keyInPath is the key of a map in a path, which is the part that was sent.
var keyInPath = regexp.MustCompile(`\[[^\]]*\]`)

// printablePath makes a path as short and printable as those of the walker.
func printablePath(path string) string {
	path = keyInPath.ReplaceAllStringFunc(path, func(key string) string {
		return "[" + printable(key[1:len(key)-1]) + "]"
	})
	if short := clip(path, maxPath); short != path {
		return printableText(short) + "…"
	}
	return path
}
