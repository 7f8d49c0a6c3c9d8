package openapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/trestle-mcp/trestle/internal/yamljson"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

const (
	maxSchema      = 256 << 10 // bytes, of one tool
	maxDescription = 4 << 10
)

// tool makes the tool of an operation.
func (b *builder) tool(op *operation) (*httptool.Tool, error) {
	if b.options.BaseURL == "" && (len(op.item.Servers) > 0 || op.Servers != nil && len(*op.Servers) > 0) {
		return nil, errors.New("it has servers of its own; set BaseURL")
	}
	t := &httptool.Tool{
		Name:        b.toolName(op),
		Title:       clip(op.Summary, 128),
		Description: clip(cmp.Or(op.Description, op.Summary, op.item.Description, op.item.Summary, op.place()), maxDescription),
		Method:      op.method,
		URL:         op.path,
	}
	in := &arguments{tool: t, schemas: newSchemas(b.document, false)}
	errs := []error{b.parameters(op, in), b.body(op, in), b.sign(op, t)}
	schema, err := in.schema()
	t.InputSchema = schema
	errs = append(errs, err)
	if !b.options.LooseAnswers {
		t.Response.OutputSchema = b.output(op)
	}
	return t, errors.Join(errs...)
}

func (b *builder) toolName(op *operation) string {
	for _, key := range []string{op.id, op.place()} {
		if name, ok := b.options.Names[key]; ok && key != "" {
			return name
		}
	}
	if name := normal(op.id); name != "" {
		return name
	}
	return normal(strings.ToLower(op.method) + "_" + strings.Trim(op.path, "/"))
}

// arguments are what a tool takes, in the making.
type arguments struct {
	tool       *httptool.Tool
	schemas    *schemas
	properties []byte
	names      []string
	required   []string
}

// add adds an argument. schema is one of the document.
func (a *arguments) add(arg httptool.Argument, required bool, description string, schema any) error {
	if arg.Name == "" || slices.Contains(a.names, arg.Name) {
		return fmt.Errorf("two arguments would be %q", arg.Name)
	}
	property := a.schemas.convert(schema, 0)
	if object, ok := property.(map[string]any); ok && description != "" && object["description"] == nil {
		object["description"] = clip(description, maxDescription)
	}
	raw, err := json.Marshal(property)
	if err != nil {
		return err
	}
	if len(a.names) > 0 {
		a.properties = append(a.properties, ',')
	}
	a.properties = append(append(yamljson.AppendText(a.properties, arg.Name), ':'), raw...)
	a.names = append(a.names, arg.Name)
	if required {
		a.required = append(a.required, arg.Name)
	}
	a.tool.Arguments = append(a.tool.Arguments, arg)
	return nil
}

// schema returns that of all arguments.
func (a *arguments) schema() (json.RawMessage, error) {
	names, err := json.Marshal(append([]string{}, a.required...))
	if err != nil {
		return nil, err
	}
	return a.schemas.finish(fmt.Appendf(nil, `{"type":"object","properties":{%s},"required":%s,"additionalProperties":false`, a.properties, names))
}

// parameters adds those of the operation, and of its path where it has not the
// same.
func (b *builder) parameters(op *operation, in *arguments) error {
	var list []*openapi3.Parameter
	for _, ref := range slices.Concat(op.Parameters, op.item.Parameters) {
		p := ref.Value
		if p != nil && !slices.ContainsFunc(list, func(other *openapi3.Parameter) bool { return other.Name == p.Name && other.In == p.In }) {
			list = append(list, p)
		}
	}
	var errs []error
	for _, p := range list {
		if err := b.parameter(op, p, in); err != nil {
			errs = append(errs, fmt.Errorf("parameter %q in %s: %w", p.Name, p.In, err))
		}
	}
	return errors.Join(errs...)
}

// Headers that a parameter does not describe (OpenAPI 3.1, section 4.8.12), and
// those that are not a caller's to set.
var notParameters = []string{"Accept", "Content-Type", "Authorization", "Cookie", "Host", "Content-Length", "Accept-Encoding", "Connection", "Expect"}

var errUnsupported = errors.New("is written in a way that is not supported")

func (b *builder) parameter(op *operation, p *openapi3.Parameter, in *arguments) error {
	if p.In == openapi3.ParameterInCookie || (p.In == openapi3.ParameterInHeader && slices.Contains(notParameters, http.CanonicalHeaderKey(p.Name))) {
		if p.Required && p.In == openapi3.ParameterInCookie {
			return errUnsupported
		}
		return nil
	}
	arg := httptool.Argument{Name: normal(p.Name), In: httptool.Place(p.In), As: p.Name}
	if slices.Contains(in.names, arg.Name) {
		arg.Name = normal(p.In + "_" + p.Name)
	}
	schema, err := b.style(p, b.rawParameter(op, p), &arg)
	if err != nil {
		return err
	}
	if p.In == openapi3.ParameterInPath {
		// A variable may have letters that templates do not.
		arg.As = arg.Name
		in.tool.URL = strings.ReplaceAll(in.tool.URL, "{"+p.Name+"}", "{"+arg.Name+"}")
	}
	return in.add(arg, p.Required, p.Description, schema)
}

// rawParameter returns a parameter as the document has it: the parser rounds
// numbers.
func (b *builder) rawParameter(op *operation, p *openapi3.Parameter) map[string]any {
	for _, in := range []map[string]any{op.raw, op.rawItem} {
		list, _ := in["parameters"].([]any)
		for _, one := range list {
			if object, _ := b.follow(one); object["name"] == p.Name && object["in"] == p.In {
				return object
			}
		}
	}
	return nil
}

// schemaOf returns the schema in an object, or one that takes all.
func schemaOf(object any) any {
	in, _ := object.(map[string]any)
	if schema, ok := in["schema"]; ok {
		return schema
	}
	return map[string]any{}
}

// media returns what the content of raw is for one kind.
func media(raw map[string]any, kind string) any {
	content, _ := raw["content"].(map[string]any)
	return content[kind]
}

// style finds how a parameter is written, and its schema.
func (b *builder) style(p *openapi3.Parameter, raw map[string]any, arg *httptool.Argument) (schema any, err error) {
	if len(p.Content) > 0 {
		for kind := range p.Content {
			if !isJSON(kind) || p.In != openapi3.ParameterInQuery {
				return nil, errUnsupported
			}
			arg.Style = httptool.JSON
			return schemaOf(media(raw, kind)), nil
		}
	}
	method, err := p.SerializationMethod()
	if err != nil {
		return nil, err
	}
	object := p.Schema != nil && p.Schema.Value != nil && p.Schema.Value.Type.Is("object")
	switch {
	case p.In != openapi3.ParameterInQuery:
		if method.Style != openapi3.SerializationSimple || object {
			return nil, errUnsupported
		}
	case method.Style == openapi3.SerializationDeepObject:
		arg.Style = httptool.Deep
	case object:
		return nil, errUnsupported
	case method.Explode:
		arg.Style = httptool.Repeat
	default:
		arg.Style = map[string]httptool.Style{
			openapi3.SerializationForm: httptool.Comma, openapi3.SerializationSpaceDelimited: httptool.Space, openapi3.SerializationPipeDelimited: httptool.Pipe,
		}[method.Style]
		if arg.Style == "" {
			return nil, errUnsupported
		}
	}
	return schemaOf(raw), nil
}

// body adds the request body.
func (b *builder) body(op *operation, in *arguments) error {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return nil
	}
	body := op.RequestBody.Value
	kind, encoding := pickBody(body.Content)
	noBody := op.method == http.MethodGet || op.method == http.MethodHead
	if kind == "" || noBody {
		if body.Required {
			return errors.New("its request body is of no kind that is supported")
		}
		return nil
	}
	in.tool.Body = encoding
	if !strings.Contains(kind, "*") && (encoding != "json" || kind != "application/json") {
		in.tool.ContentType = strings.ToLower(kind)
	}
	raw, _ := b.follow(op.raw["requestBody"])
	name := "body"
	if slices.Contains(in.names, name) {
		name = "request_body"
	}
	return in.add(httptool.Argument{Name: name, In: httptool.InBody}, body.Required, body.Description, schemaOf(media(raw, kind)))
}

// pickBody chooses the kind of body that says most.
func pickBody(content openapi3.Content) (kind, encoding string) {
	best := 0
	for candidate := range content {
		rank, as := 0, ""
		switch base, _, _ := strings.Cut(strings.ToLower(candidate), ";"); {
		case base == "application/json":
			rank, as = 5, "json"
		case isJSON(base):
			rank, as = 4, "json"
		case base == "*/*" || base == "application/*":
			rank, as = 3, "json"
		case base == "application/x-www-form-urlencoded":
			rank, as = 2, "form"
		case strings.HasPrefix(base, "text/"):
			rank, as = 1, "text"
		}
		if rank > best || rank == best && rank > 0 && candidate < kind {
			best, kind, encoding = rank, candidate, as
		}
	}
	return kind, encoding
}

// output returns the schema of the answer, if it is sound.
func (b *builder) output(op *operation) json.RawMessage {
	if op.Responses == nil {
		return nil
	}
	var only *openapi3.Response
	var of string
	for status, ref := range op.Responses.Map() {
		if !strings.HasPrefix(status, "2") || ref.Value == nil {
			continue
		}
		if only != nil {
			return nil
		}
		only, of = ref.Value, status
	}
	if only == nil || len(only.Content) != 1 {
		return nil
	}
	rawResponses, _ := op.raw["responses"].(map[string]any)
	raw, _ := b.follow(rawResponses[of])
	for kind := range only.Content {
		if !isJSON(kind) {
			return nil
		}
		s := newSchemas(b.document, true)
		object, ok := b.follow(schemaOf(media(raw, kind)))
		if !ok || object["type"] != "object" || object["nullable"] == true {
			return nil
		}
		root, ok := s.convert(object, 0).(map[string]any)
		if !ok {
			return nil
		}
		raw, err := json.Marshal(root)
		if err != nil {
			return nil
		}
		if raw, err = s.finish(raw[:len(raw)-1]); err == nil && sound(raw) {
			return raw
		}
	}
	return nil
}

// sound reports whether the engine takes an output schema.
func sound(raw json.RawMessage) bool {
	probe := httptool.Spec{
		Name: "probe", Version: "1.0.0", BaseURL: "https://probe.invalid",
		Tools: []httptool.Tool{{Name: "probe", Description: "probe", Response: httptool.Response{OutputSchema: raw}}},
	}
	return probe.Check() == nil
}

func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
