package httptool

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/trestle-mcp/trestle/internal/yamljson"
)

// maxFile bounds the text of a description, in bytes; maxNesting its depth.
const (
	maxFile    = 1 << 20
	maxNesting = 64
)

// Parse reads a [Spec] from YAML or JSON and checks it. file stands in the
// messages alone. The error has every mistake, each with its line. Unknown and
// repeated keys are mistakes, so are anchors, aliases and tags: what a
// description says is where it says it.
//
//	name: weather
//	version: 1.0.0
//	base_url: https://api.example.com/v1
//	headers:
//	  - name: Authorization
//	    secret: {env: WEATHER_TOKEN, prefix: "Bearer "}
//	tools:
//	  - name: forecast
//	    description: The weather of the next days in a city.
//	    url: /cities/{city}/forecast{?days}
//	    arguments:
//	      city: {required: true, description: "The name of the city, in English."}
//	      days: {type: integer, minimum: 1, maximum: 14, default: 3}
func Parse(file string, text []byte) (*Spec, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", file, maxFile)
	}
	root, err := yamljson.Load(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	d := decoder{lines: map[string]int{"": 1}}
	spec := new(Spec)
	d.decode("", root, reflect.ValueOf(spec).Elem(), 0)
	if len(d.mistakes.list) == 0 {
		spec.check(&d.mistakes)
	}
	if len(d.mistakes.list) > 0 {
		return nil, d.mistakes.at(file, d.line)
	}
	return spec, nil
}

// A decoder fills Go values from the nodes of a document, and remembers at
// which line each path was.
type decoder struct {
	mistakes mistakes
	lines    map[string]int
}

// line returns the line of path, or of what it is in.
func (d *decoder) line(path string) int {
	for path != "" {
		if line, ok := d.lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return d.lines[""]
}

var (
	typeRaw      = reflect.TypeFor[json.RawMessage]()
	typeDuration = reflect.TypeFor[time.Duration]()
)

func (d *decoder) decode(path string, n *yaml.Node, v reflect.Value, depth int) {
	if _, ok := d.lines[path]; !ok || path == "" {
		d.lines[path] = n.Line
	}
	if depth > maxNesting {
		d.mistakes.add(path, "nested more than %d deep", maxNesting)
		return
	}
	if !yamljson.IsPlain(n) {
		d.mistakes.add(path, "anchors, aliases and tags are not allowed")
		return
	}
	switch {
	case v.Type() == typeRaw:
		w := yamljson.Writer{MaxDepth: maxNesting, Mistake: func(line int, path, text string) { d.mistakes.addLine(line, path, "%s", text) }}
		v.SetBytes(w.Append(nil, path, n, depth))
		return
	case isNull(n):
		return // as if it were not there
	case v.Type() == typeDuration:
		span, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.mistakes.add(path, `not a duration such as "10s"`)
		}
		v.SetInt(int64(span))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(path, n, v.Elem(), depth)
	case reflect.Struct:
		d.structure(path, n, v, depth)
	case reflect.Slice:
		d.slice(path, n, v, depth)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.entries(path, n, true, func(key, at string, value *yaml.Node) {
			elem := reflect.New(v.Type().Elem()).Elem()
			d.decode(at, value, elem, depth+1)
			v.SetMapIndex(reflect.ValueOf(key), elem)
		})
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode {
		tag = ""
	}
	switch v.Kind() {
	case reflect.String:
		// A version such as 1.0 is a number to YAML, and would be read as it is
		// written here but not elsewhere.
		if tag != "!!str" && tag != "!!timestamp" {
			d.mistakes.add(path, "not a text; put it in quotes if it is one")
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if tag != "!!bool" {
			d.mistakes.add(path, "neither true nor false")
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if tag != "!!int" || err != nil {
			d.mistakes.add(path, "not a whole number")
			return
		}
		v.SetInt(i)
	default:
		panic("httptool: a field of kind " + v.Kind().String())
	}
}

func (d *decoder) slice(path string, n *yaml.Node, v reflect.Value, depth int) {
	if v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem().Field(0).Tag.Get("yaml") == ",key" {
		d.entries(path, n, false, func(key, at string, value *yaml.Node) {
			elem := reflect.New(v.Type().Elem()).Elem()
			d.decode(at, value, elem, depth+1)
			elem.Field(0).SetString(key)
			v.Set(reflect.Append(v, elem))
		})
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.mistakes.add(path, "not a list")
		return
	}
	for i, item := range n.Content {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.decode(path+"["+strconv.Itoa(i)+"]", item, elem, depth+1)
		v.Set(reflect.Append(v, elem))
	}
}

func (d *decoder) structure(path string, n *yaml.Node, v reflect.Value, depth int) {
	var known []string
	fields := map[string]reflect.Value{}
	for f, value := range v.Fields() {
		if key := f.Tag.Get("yaml"); key != "-" && key != ",key" {
			fields[key] = value
			known = append(known, key)
		}
	}
	d.entries(path, n, false, func(key, at string, value *yaml.Node) {
		if field, ok := fields[key]; ok {
			d.decode(at, value, field, depth+1)
			return
		}
		slices.Sort(known)
		d.mistakes.add(at, "no such key; there are %s", strings.Join(known, ", "))
	})
}

// entries calls each for the entries of a mapping whose keys are texts, or with
// scalars anything that can be written as one, and unique.
func (d *decoder) entries(path string, n *yaml.Node, scalars bool, each func(key, at string, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.mistakes.add(path, "not a mapping of names")
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := yamljson.Join(path, key.Value)
		if !seen[key.Value] {
			d.lines[at] = key.Line
		}
		switch {
		case key.Kind != yaml.ScalarNode || !yamljson.IsPlain(key) || (!scalars && key.ShortTag() != "!!str"):
			d.mistakes.addLine(key.Line, path, "a key that is no text")
		case seen[key.Value]:
			d.mistakes.addLine(key.Line, at, "there twice")
		default:
			seen[key.Value] = true
			each(key.Value, at, value)
		}
	}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
