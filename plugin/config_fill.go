package plugin

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A configReader fills in a struct and collects mistakes. It repeats no values:
// they may be secrets.
type configReader struct {
	env      string
	mistakes []error
	wrong    map[string]bool // the paths of the mistakes
}

func (r *configReader) mistake(path, format string, args ...any) {
	r.wrong[path] = true
	if path == "" {
		path = "the configuration"
	}
	r.mistakes = append(r.mistakes, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}

var durationType = reflect.TypeFor[time.Duration]()

// fill sets v from node, which may be nil for a struct: then the environment
// alone has a say.
func (r *configReader) fill(v reflect.Value, path string, node any) {
	if over, ok := r.fromEnv(v, path); ok {
		node = over
	}
	switch {
	case v.Kind() == reflect.Struct && !decodesItself(v):
		r.fillStruct(v, path, node)
	case node == nil: // as it was
	case v.Type() == durationType:
		text, isText := node.(string)
		d, err := time.ParseDuration(text)
		if !isText || err != nil {
			r.mistake(path, "want a duration such as 1m30s")
			return
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.Pointer && !decodesItself(v):
		inner := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			inner.Elem().Set(v.Elem())
		}
		r.fill(inner.Elem(), path, node)
		v.Set(inner)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8 && !decodesItself(v):
		r.fillSlice(v, path, node)
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String && !decodesItself(v):
		r.fillMap(v, path, node)
	default:
		r.fillValue(v, path, node)
	}
}

func decodesItself(v reflect.Value) bool {
	p := reflect.PointerTo(v.Type())
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (r *configReader) fillStruct(v reflect.Value, path string, node any) {
	given, ok := mapping(node)
	if !ok {
		r.mistake(path, "want keys and values, got %s", sortOf(node))
		return
	}
	fields := map[string]reflect.Value{}
	fieldsOf(v, fields)
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if _, known := fields[key]; !known {
			r.mistake(below(path, key), "unknown key; known are %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		r.fill(fields[key], below(path, key), given[key])
	}
}

// fieldsOf finds the fields of a struct, and of those embedded, by their names.
func fieldsOf(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		name := jsonName(sf)
		switch {
		case name == "-":
		case sf.Anonymous && sf.Tag.Get("json") == "" && sf.Type.Kind() == reflect.Struct:
			fieldsOf(v.Field(i), fields)
		case sf.IsExported():
			fields[name] = v.Field(i)
		}
	}
}

func jsonName(sf reflect.StructField) string {
	tag := sf.Tag.Get("json")
	if tag == "-" {
		return "-"
	}
	if name, _, _ := strings.Cut(tag, ","); name != "" {
		return name
	}
	return sf.Name
}

func (r *configReader) fillSlice(v reflect.Value, path string, node any) {
	items, ok := node.([]any)
	if !ok {
		r.mistake(path, "want a list, got %s", sortOf(node))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		r.fill(list.Index(i), fmt.Sprintf("%s[%d]", path, i), item)
	}
	v.Set(list)
}

func (r *configReader) fillMap(v reflect.Value, path string, node any) {
	given, ok := mapping(node)
	if !ok {
		r.mistake(path, "want keys and values, got %s", sortOf(node))
		return
	}
	filled := reflect.MakeMapWithSize(v.Type(), len(given))
	for _, key := range slices.Sorted(maps.Keys(given)) {
		item := reflect.New(v.Type().Elem()).Elem()
		r.fill(item, below(path, key), given[key])
		filled.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), item)
	}
	v.Set(filled)
}

// fillValue sets what JSON can decode by itself.
func (r *configReader) fillValue(v reflect.Value, path string, node any) {
	raw, err := json.Marshal(node)
	if err == nil {
		err = json.Unmarshal(raw, v.Addr().Interface())
	}
	if err != nil {
		r.mistake(path, "want %s, got %s", wanted(v.Type()), sortOf(node))
	}
}

// fromEnv returns what the environment says instead.
func (r *configReader) fromEnv(v reflect.Value, path string) (any, bool) {
	if r.env == "" || path == "" || strings.Contains(path, "[") {
		return nil, false
	}
	text, ok := os.LookupEnv(r.env + envName(path))
	switch {
	case !ok:
		return nil, false
	case v.Kind() == reflect.String || v.Type() == durationType || decodesItself(v):
		return text, true
	}
	var value any
	if err := yaml.Load([]byte(text), &value, yaml.WithV4Defaults()); err != nil {
		return text, true // not what is wanted, whatever that is
	}
	return value, true
}

func envName(path string) string {
	return strings.Map(func(c rune) rune {
		if (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') {
			return c
		}
		return '_'
	}, strings.ToUpper(path))
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func mapping(node any) (map[string]any, bool) {
	switch m := node.(type) {
	case nil:
		return nil, true
	case map[string]any:
		return m, true
	}
	return nil, false
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer that fits " + t.Kind().String()
	default:
		return "a " + t.String()
	}
}

func sortOf(node any) string {
	switch node.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "keys and values"
	case int, int64, uint64, float64:
		return "a number"
	}
	return "something else"
}
