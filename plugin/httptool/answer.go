package httptool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/strictjson"
	"github.com/trestle-mcp/trestle/internal/yamljson"
	"github.com/trestle-mcp/trestle/schema"
)

// maxDepth bounds the nesting of an answer in JSON.
const maxDepth = 128

// A response is a [Response], compiled.
type response struct {
	as      string
	pointer []string
	output  *schema.Schema[any]
	status  map[string]outcome
}

func newResponse(at string, given *Response, m *mistakes) response {
	r := response{as: given.As, status: newStatuses(yamljson.Join(at, "status"), given.Status, m)}
	switch r.as {
	case "":
		r.as = "auto"
	case "auto", "json", "text":
	default:
		m.add(yamljson.Join(at, "as"), "want auto, json or text")
	}
	var err error
	if r.pointer, err = parsePointer(given.Pointer); err != nil {
		m.add(yamljson.Join(at, "pointer"), "%v", err)
	}
	if r.as == "text" && (given.Pointer != "" || given.OutputSchema != nil) {
		m.add(at, "a text has no pointer and no output_schema")
	}
	if given.OutputSchema == nil {
		return r
	}
	r.output, err = schema.For[any](&schema.Options{JSONSchema: given.OutputSchema})
	var head struct {
		Type any `json:"type"`
	}
	switch {
	case err != nil:
		m.add(yamljson.Join(at, "output_schema"), "%v", err)
	case json.Unmarshal(r.output.JSON(), &head) != nil || head.Type != "object":
		m.add(yamljson.Join(at, "output_schema"), "its type is not object")
	}
	return r
}

// accept is the header that asks for what is understood.
func (r *response) accept() string {
	switch {
	case r.as == "text":
		return "text/*, */*;q=0.1"
	case r.as == "json" || r.output != nil:
		return "application/json"
	}
	return "application/json, text/*;q=0.9, */*;q=0.1"
}

// result makes of an answer what the caller sees.
func (t *tool) result(a *answered) (*mcp.CallToolResult, error) {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	if o := t.response.outcome(a.status); o != ok {
		return t.failure(a, o, kind)
	}
	if a.truncated {
		return told(mcperrors.Errorf(mcperrors.Exhausted, "the service's answer is longer than %d bytes", len(a.body))), nil
	}
	switch as := t.response.as; {
	case len(a.body) == 0:
		return t.nothing(a.status)
	case as == "json" || (as == "auto" && isJSON(kind)) || t.response.output != nil:
		return t.structured(a)
	case as == "text" || strings.HasPrefix(kind, "text/") || kind == "" || isTextual(kind):
		return &mcp.CallToolResult{Content: text(a.text())}, nil
	case strings.HasPrefix(kind, "image/"):
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.ImageContent{Data: a.body, MIMEType: kind}}}, nil
	case strings.HasPrefix(kind, "audio/"):
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.AudioContent{Data: a.body, MIMEType: kind}}}, nil
	}
	return told(mcperrors.Errorf(mcperrors.Conflict, "the service answered with %s, which cannot be shown", clip(kind, 64))), nil
}

// nothing is the result of an answer without a body.
func (t *tool) nothing(status int) (*mcp.CallToolResult, error) {
	if t.response.output != nil {
		return nil, unexpected(fmt.Errorf("no body"))
	}
	return &mcp.CallToolResult{Content: text(fmt.Sprintf("done (status %d)", status))}, nil
}

func (t *tool) structured(a *answered) (*mcp.CallToolResult, error) {
	body := bytes.TrimSpace(withoutSecrets(a.body, a.secrets))
	if err := strictjson.Check(body, maxDepth); err != nil {
		return nil, unexpected(err)
	}
	part, found := resolve(body, t.response.pointer)
	if !found {
		return nil, unexpected(fmt.Errorf("no %s in it", pointerText(t.response.pointer)))
	}
	if part[0] != '{' { // clients before 2026-07-28 accept only objects
		part = fmt.Appendf(nil, `{"result":%s}`, part)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, part); err != nil {
		return nil, unexpected(err)
	}
	if t.response.output != nil {
		if _, err := t.response.output.Decode(compact.Bytes()); err != nil {
			return nil, unexpected(err)
		}
	}
	return &mcp.CallToolResult{Content: text(compact.String()), StructuredContent: json.RawMessage(compact.Bytes())}, nil
}

// unexpected is an answer that breaks the description: not the caller's to know.
func unexpected(cause error) error {
	return mcperrors.Wrap(mcperrors.Unavailable, "the service answered with something unexpected", cause)
}

func (a *answered) text() string {
	return strings.ToValidUTF8(string(withoutSecrets(a.body, a.secrets)), "\uFFFD")
}

func text(s string) []mcp.Content { return []mcp.Content{&mcp.TextContent{Text: s}} }

func isJSON(kind string) bool { return kind == "application/json" || strings.HasSuffix(kind, "+json") }

// isTextual are the types that are text by another name.
func isTextual(kind string) bool {
	switch kind {
	case "application/xml", "application/yaml", "application/x-yaml", "application/javascript", "application/x-ndjson", "application/csv":
		return true
	}
	return strings.HasSuffix(kind, "+xml") || strings.HasSuffix(kind, "+yaml")
}

// excerpt returns the start of a body that is text, for a model to read.
func (a *answered) excerpt(kind string) string {
	const most = 1 << 10
	if !isJSON(kind) && !isTextual(kind) && kind != "text/plain" {
		return ""
	}
	s := strings.TrimSpace(a.text())
	if !utf8.ValidString(s) || a.status >= http.StatusInternalServerError {
		return ""
	}
	return clip(s, most)
}
