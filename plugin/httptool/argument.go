package httptool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/trestle-mcp/trestle/internal/yamljson"
	"github.com/trestle-mcp/trestle/schema"
)

// A binding says where one argument goes.
type binding struct {
	name  string
	place Place
	as    string
	style Style
	value any // a constant
	fixed bool
}

// hasBody are the methods whose arguments go to the body by default.
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// bind decides where the arguments of a tool go.
func (t *tool) bind(at string, given *Tool, m *mistakes) {
	in, err := given.schema(at, m)
	if err != nil {
		m.add(yamljson.Join(at, "input_schema"), "%v", err)
		return
	}
	t.input = in
	visible := map[string]bool{} // to required
	for _, f := range in.Fields() {
		visible[f.Name] = f.Required
	}
	bound := map[string]bool{}
	for _, arg := range given.Arguments {
		at := yamljson.Join(yamljson.Join(at, "arguments"), arg.Name)
		b := t.place(at, &arg, m)
		bound[arg.Name] = true
		required, there := visible[arg.Name]
		switch {
		case b.fixed && there:
			m.add(at, "is a constant, and in input_schema")
		case !b.fixed && !there:
			m.add(at, "is not in input_schema")
		case b.place == InPath && !b.fixed && !required:
			m.add(at, "has to be required: it is in the path of the URL")
		}
		t.bindings = append(t.bindings, b)
	}
	for _, f := range in.Fields() {
		if bound[f.Name] {
			continue
		}
		b := t.place(at, &Argument{Name: f.Name}, m)
		if b.place == InPath && !f.Required {
			m.add(yamljson.Join(at, "input_schema"), "%s has to be required: it is in the path of the URL", f.Name)
		}
		t.bindings = append(t.bindings, b)
	}
	t.checkBindings(at, m)
}

// place fills in what an argument leaves open.
func (t *tool) place(at string, arg *Argument, m *mistakes) binding {
	b := binding{name: arg.Name, place: arg.In, as: arg.As, style: arg.Style}
	if b.as == "" {
		b.as = arg.Name
	}
	inURL, inQuery := false, false
	if t.url != nil {
		inURL = slices.Contains(t.url.pathVars, b.as)
		_, inQuery = t.url.query[b.as]
	}
	if b.place == "" {
		switch {
		case inURL:
			b.place = InPath
		case !inQuery && hasBody(t.method):
			b.place = InField
		default:
			b.place = InQuery
		}
	}
	if b.place == InQuery && b.style == "" {
		b.style = Repeat
		if inQuery {
			b.style = t.url.query[b.as]
		}
	}
	if arg.Value != nil {
		b.fixed = true
		var err error
		if b.value, err = decodeJSON(arg.Value); err != nil {
			m.add(yamljson.Join(at, "value"), "%v", err)
		}
	}
	t.checkPlace(at, &b, inURL, m)
	return b
}

func (t *tool) checkPlace(at string, b *binding, inURL bool, m *mistakes) {
	switch b.place {
	case InPath:
		if t.url != nil && !inURL {
			m.add(at, "the path of the URL has no {%s}", b.as)
		}
	case InQuery, InField:
	case InHeader:
		if !validHeaderName(b.as) || slices.Contains(secretHeaders, http.CanonicalHeaderKey(b.as)) {
			m.add(at, "%q is not a header that callers may set", b.as)
		}
	case InBody:
		b.as = ""
	default:
		m.add(yamljson.Join(at, "in"), "%q: want path, query, header, field or body", string(b.place))
	}
	if (b.place == InField || b.place == InBody) && !hasBody(t.method) && t.method != http.MethodDelete {
		m.add(at, "a request of method %s has no body", t.method)
	}
	switch b.style {
	case "", Repeat, Comma, Space, Pipe, Deep, JSON:
		if b.style != "" && b.place != InQuery {
			m.add(yamljson.Join(at, "style"), "only for query parameters")
		}
	default:
		m.add(yamljson.Join(at, "style"), "%q: want repeat, comma, space, pipe, deep or json", string(b.style))
	}
}

// checkBindings looks for two things in one place, and variables without an
// argument.
func (t *tool) checkBindings(at string, m *mistakes) {
	type spot struct {
		place Place
		name  string
	}
	taken := map[spot]string{}
	for _, f := range t.headers {
		taken[spot{InHeader, http.CanonicalHeaderKey(f.name)}] = "headers"
	}
	for _, f := range t.query {
		taken[spot{InQuery, f.name}] = "query"
	}
	if t.url != nil {
		for pair := range strings.SplitSeq(t.url.fixed, "&") {
			name, _, _ := strings.Cut(pair, "=")
			taken[spot{InQuery, unescape(name)}] = "the URL"
		}
	}
	fields, bodies := 0, 0
	for _, b := range t.bindings {
		s := spot{b.place, b.as}
		switch b.place {
		case InHeader:
			s.name = http.CanonicalHeaderKey(b.as)
		case InField:
			fields++
		case InBody:
			bodies++
		case InPath, InQuery:
		}
		if other, ok := taken[s]; ok {
			m.add(at, "%s goes where %s goes", b.name, other)
		}
		taken[s] = b.name
	}
	if bodies > 1 || (bodies == 1 && fields > 0) {
		m.add(at, "one argument is the body: there can be no other in it")
	}
	if t.body == "text" && bodies == 0 {
		m.add(yamljson.Join(at, "body"), "text is for an argument in: body")
	}
	if t.url == nil {
		return
	}
	for _, name := range t.url.pathVars {
		if _, ok := taken[spot{InPath, name}]; !ok {
			m.add(yamljson.Join(at, "url"), "there is no argument for {%s}", name)
		}
	}
	for name := range t.url.query {
		if _, ok := taken[spot{InQuery, name}]; !ok {
			m.add(yamljson.Join(at, "url"), "there is no argument for %s", name)
		}
	}
}

// schema compiles the schema of the arguments.
func (t *Tool) schema(at string, m *mistakes) (*schema.Schema[any], error) {
	given := t.InputSchema
	if given == nil {
		given = t.shortSchema(at, m)
	} else {
		for _, arg := range t.Arguments {
			if arg.hasWords() || arg.Required || arg.Schema != nil {
				m.add(yamljson.Join(yamljson.Join(at, "arguments"), arg.Name), "only in, as, style and value may stand beside input_schema")
			}
		}
	}
	in, err := schema.For[any](&schema.Options{JSONSchema: given})
	if err != nil {
		return nil, err
	}
	var head struct {
		Type any `json:"type"`
	}
	if json.Unmarshal(in.JSON(), &head) != nil || head.Type != "object" {
		return nil, fmt.Errorf("its type is not object")
	}
	return in, nil
}

func (a *Argument) hasWords() bool {
	return a.Type != "" || a.Description != "" || a.Enum != nil || a.Default != nil || a.Minimum != nil || a.Maximum != nil ||
		a.MinLength != nil || a.MaxLength != nil || a.Pattern != "" || a.Format != ""
}

// shortSchema writes the schema that Arguments stand for.
func (t *Tool) shortSchema(at string, m *mistakes) json.RawMessage {
	var properties bytes.Buffer
	required := []string{}
	for i := range t.Arguments {
		arg := &t.Arguments[i]
		at := yamljson.Join(yamljson.Join(at, "arguments"), arg.Name)
		if arg.Value != nil {
			if arg.hasWords() || arg.Required || arg.Schema != nil {
				m.add(at, "only in, as and style may stand beside value")
			}
			continue
		}
		if properties.Len() > 0 {
			properties.WriteByte(',')
		}
		properties.Write(yamljson.AppendText(nil, arg.Name))
		properties.WriteByte(':')
		properties.Write(arg.property(at, m))
		if arg.Required || t.inPath(arg) {
			required = append(required, arg.Name)
		}
	}
	names, _ := json.Marshal(required) //nolint:errchkjson // strings
	return fmt.Appendf(nil, `{"type":"object","properties":{%s},"required":%s,"additionalProperties":false}`, properties.Bytes(), names)
}

func (t *Tool) inPath(arg *Argument) bool {
	name := arg.As
	if name == "" {
		name = arg.Name
	}
	path, _, _ := strings.Cut(t.URL, "?")
	return arg.In == InPath || arg.In == "" && strings.Contains(path, "{"+name+"}")
}

var types = []string{"string", "integer", "number", "boolean"}

// property writes the schema of one argument.
func (a *Argument) property(at string, m *mistakes) []byte {
	if a.Schema != nil {
		if a.hasWords() {
			m.add(at, "beside schema, only required may stand")
		}
		return a.Schema
	}
	words := struct {
		Type        string            `json:"type"`
		Description string            `json:"description,omitempty"`
		Enum        []json.RawMessage `json:"enum,omitempty"`
		Default     json.RawMessage   `json:"default,omitempty"`
		Minimum     json.RawMessage   `json:"minimum,omitempty"`
		Maximum     json.RawMessage   `json:"maximum,omitempty"`
		MinLength   *int              `json:"minLength,omitempty"`
		MaxLength   *int              `json:"maxLength,omitempty"`
		Pattern     string            `json:"pattern,omitempty"`
		Format      string            `json:"format,omitempty"`
	}{a.Type, a.Description, a.Enum, a.Default, a.Minimum, a.Maximum, a.MinLength, a.MaxLength, a.Pattern, a.Format}
	if words.Type == "" {
		words.Type = "string"
	}
	if !slices.Contains(types, words.Type) {
		m.add(yamljson.Join(at, "type"), "%q: want %s, or a schema", words.Type, strings.Join(types, ", "))
	}
	if _, err := regexp.Compile(a.Pattern); err != nil {
		m.add(yamljson.Join(at, "pattern"), "%v", err)
	}
	for key, bound := range map[string]json.RawMessage{"minimum": a.Minimum, "maximum": a.Maximum} {
		if bound != nil && (words.Type == "string" || words.Type == "boolean" || !isNumber(bound)) {
			m.add(yamljson.Join(at, key), "not a number, or not for a %s", words.Type)
		}
	}
	out, err := json.Marshal(words)
	if err != nil {
		m.add(at, "%v", err)
		return []byte("{}")
	}
	return out
}

func isNumber(raw json.RawMessage) bool {
	v, err := decodeJSON(raw)
	_, ok := v.(json.Number)
	return err == nil && ok
}

// decodeJSON keeps numbers as they are written.
func decodeJSON(raw []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}
