package schema

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"
)

// newValidator returns a validator that names fields as JSON does.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithTagNameFuncBlankOmit())
	v.RegisterTagNameFunc(jsonName)
	return v
}

// shared serves all schemas that need no rules of their own.
var shared = sync.OnceValue(newValidator)

// guard turns a panic, which is how validator reports bad tags, into an error.
func guard(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	f()
	return nil
}

// fails reports whether value breaks the rule alone.
func fails(value reflect.Value, rule string) (failed bool) {
	_ = guard(func() { failed = shared().Var(value.Interface(), rule) != nil })
	return failed
}

// effects are rules that ask the file system or the network; they are not
// tried out.
var effects = map[string]bool{
	"file": true, "filepath": true, "dir": true, "dirpath": true, "image": true, "uds_exists": true, "unix_addr": true,
	"tcp_addr": true, "tcp4_addr": true, "tcp6_addr": true, "udp_addr": true, "udp4_addr": true, "udp6_addr": true,
	"ip_addr": true, "ip4_addr": true, "ip6_addr": true,
}

// probe tries out each rule of a field and reports those that validator cannot
// apply to it. It returns whether all is well.
func (d *deriver) probe(f goField, set *ruleSet, path string) bool {
	before := len(d.errs)
	d.probeSet(f.sf.Type, f.parent, set, path)
	if len(d.errs) == before {
		if err := guard(func() { _ = shared().Var(sample(f.sf.Type, 0).Interface(), localTag(f.sf.Tag.Get("validate"))) }); err != nil {
			d.mistake(path, "validate tag %q: %w", f.sf.Tag.Get("validate"), err)
		}
	}
	return len(d.errs) == before
}

// localTag returns a tag that can be tried without its struct, or "".
func localTag(tag string) string {
	set := parseRules(tag)
	for s := set; s != nil; s = s.elem {
		for _, part := range []*ruleSet{s, s.keys} {
			if part == nil {
				continue
			}
			for _, r := range part.rules {
				if r.crosses() || effects[r.name] {
					return ""
				}
			}
		}
	}
	if set.off {
		return ""
	}
	return tag
}

func (d *deriver) probeSet(t, parent reflect.Type, set *ruleSet, path string) {
	inner := deref(t)
	for _, r := range set.rules {
		d.probeRule(t, parent, r, path)
	}
	if set.elem == nil {
		return
	}
	switch inner.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
	default:
		d.mistake(path, "dive into type %s, which has no elements", t)
		return
	}
	if set.keys != nil {
		if inner.Kind() != reflect.Map {
			d.mistake(path, "keys of type %s, which is no map", t)
			return
		}
		d.probeSet(inner.Key(), parent, set.keys, path+"[key]")
	}
	d.probeSet(inner.Elem(), parent, set.elem, path+"[]")
}

func (d *deriver) probeRule(t, parent reflect.Type, r rule, path string) {
	for part := range strings.SplitSeq(r.raw, "|") {
		name, param, _ := strings.Cut(part, "=")
		if name == "" {
			d.mistake(path, "unknown rule %q in its validate tag", name)
			continue
		}
		one := rule{name: name, param: unescapeParam.Replace(param), raw: part}
		err := guard(func() { d.tryRule(t, parent, one, path) })
		switch {
		case err == nil:
		case strings.HasPrefix(err.Error(), "Undefined validation function"):
			d.mistake(path, "unknown rule %q in its validate tag", name)
		default:
			d.mistake(path, "rule %s: %s", part, strings.TrimSpace(err.Error()))
		}
	}
}

func (d *deriver) tryRule(t, parent reflect.Type, r rule, path string) {
	inner := deref(t)
	value := sample(t, 0)
	_, isPattern := patterns[r.name]
	_, isFormat := formats[r.name]
	number := isInt(inner) || isUint(inner) || isFloat(inner)
	switch {
	case r.skips() || r.name == "required" || r.name == "isdefault":
		return
	case r.crosses():
		_ = shared().Var(0, "omitempty,"+r.raw) // panics if there is no such rule
		d.references(r, parent, path)
		return
	case inner.Kind() == reflect.Interface:
		d.mistake(path, "rule %s on a field of any type", r.raw)
		return
	case isFormat && inner.Kind() != reflect.String && formOf(inner) == formPlain,
		isPattern && inner.Kind() != reflect.String && (!number || !strings.HasPrefix(r.name, "num")):
		d.mistake(path, "rule %s is for strings, not for %s", r.raw, t)
		return
	case effects[r.name]:
		return
	}
	_ = shared().Var(value.Interface(), r.raw)
}

// references reports fields that r names and the struct does not have. Paths
// from the top of the value (…csfield) are left to validator.
func (d *deriver) references(r rule, parent reflect.Type, path string) {
	words := oneofWords.FindAllString(r.param, -1)
	step := 1
	switch {
	case strings.HasSuffix(r.name, "_if"), strings.HasSuffix(r.name, "_unless"):
		step = 2
		if len(words) == 0 || len(words)%2 != 0 {
			d.mistake(path, "rule %s: want pairs of a field and a value", r.raw)
			return
		}
	case strings.HasSuffix(r.name, "csfield"), r.name == "validateFn", strings.HasPrefix(r.name, "postcode"):
		return
	case len(words) == 0:
		d.mistake(path, "rule %s names no field", r.raw)
	}
	for i := 0; i < len(words); i += step {
		name, _, _ := strings.Cut(words[i], ".")
		if _, ok := fieldNamed(parent, name); !ok {
			d.mistake(path, "rule %s: %s has no field %s", r.raw, parent, name)
		}
	}
}

// sample returns a value of type t with nothing empty in it, as far as that goes.
func sample(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	if depth > 16 || formOf(t) != formPlain {
		return v
	}
	switch {
	case isInt(t):
		v.SetInt(1)
	case isUint(t):
		v.SetUint(1)
	case isFloat(t):
		v.SetFloat(1)
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("a")
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(sample(t.Elem(), depth+1))
	case reflect.Slice:
		v.Set(reflect.Append(v, sample(t.Elem(), depth+1)))
	case reflect.Array:
		for i := range min(t.Len(), 1) {
			v.Index(i).Set(sample(t.Elem(), depth+1))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(sample(t.Key(), depth+1), sample(t.Elem(), depth+1))
	case reflect.Struct:
		for i := range t.NumField() {
			if f := v.Field(i); f.CanSet() && depth < 8 {
				f.Set(sample(f.Type(), depth+1))
			}
		}
	}
	return v
}
