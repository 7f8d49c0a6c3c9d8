package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// maxDepth is how deep values may nest.
const maxDepth = 64

// Decode reads a T from JSON and checks it. Empty data counts as {}.
//
// The bytes have to be one JSON value, at most 64 deep, in valid UTF-8, without
// duplicate keys. They are checked against the schema where they are: names
// exactly, integers exactly, never rounded (1.0 and 1e3 are integers), values
// in the range of the Go type. Defaults of the schema are filled in. Then
// encoding/json decodes them, numbers in fields of any type as json.Number, and
// the validate tags are applied.
//
// The error is an [*mcperrors.Error] with code validation. Its message tells
// each problem, up to 32, in words that a model can act on, and its detail
// "fields" has them as a []Problem. The T is then zero.
func (s *Schema[T]) Decode(data []byte) (T, error) {
	var v T
	if err := s.decode(data, &v); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

// decode fills the value that target points to.
func (c *core) decode(data []byte, target any) error {
	if len(data) == 0 {
		data = []byte("{}")
	}
	if err := strictjson.Check(data, maxDepth); err != nil {
		var e *strictjson.Error
		if !errors.As(err, &e) || e.Kind != strictjson.Empty {
			return syntaxError(err)
		}
		data = []byte("{}")
	}
	w := walker{data: data}
	w.value(strictjson.SkipSpace(data, 0), c.root, nil)
	data = w.patched()
	if c.judge != nil && len(w.problems) == 0 {
		p, err := c.judge.validate(data)
		if p != nil {
			w.problems = append(w.problems, *p)
			return w.err(err)
		}
		if err != nil {
			return syntaxError(err)
		}
	}
	var cause error
	if len(w.problems) > 0 || !c.fill(data, reflect.ValueOf(target).Elem()) {
		cause = c.unmarshal(data, target)
	}
	if cause != nil && len(w.problems) == 0 {
		w.locate(data, c.root, cause)
	}
	if c.tags != nil && w.more == 0 && (cause == nil || isWrongType(cause)) {
		if err := c.tags.check(reflect.ValueOf(target).Elem(), &w.report); err != nil {
			return mcperrors.Wrap(mcperrors.Internal, "", err)
		}
	}
	return w.err(cause)
}

func (c *core) unmarshal(data []byte, target any) error {
	if !c.open {
		return json.Unmarshal(data, target)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(target)
}

// locate finds the values that their own types refuse to read.
func (w *walker) locate(data []byte, root *node, cause error) {
	again := walker{data: data, attempt: true}
	again.value(strictjson.SkipSpace(data, 0), root, nil)
	w.report = again.report
	if len(w.problems) > 0 {
		return
	}
	p := Problem{Rule: "type", Problem: "cannot be read"}
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](cause); ok {
		p.Field = printablePath(wrongType.Field)
		p.Expected = "a value for " + wrongType.Type.String()
		p.Problem = "must be " + p.Expected
	}
	w.problems = append(w.problems, p)
}

func syntaxError(cause error) error {
	p := Problem{Rule: "json", Expected: "one valid JSON value", Problem: "invalid JSON"}
	if e, ok := errors.AsType[*strictjson.Error](cause); ok {
		p.Rule, p.Problem = "json: "+e.Kind.String(), e.Error()
	}
	return &mcperrors.Error{
		Code: mcperrors.Validation, Message: "invalid arguments: " + p.Problem, Cause: cause,
		Details: map[string]any{"fields": []Problem{p}},
	}
}

func isWrongType(err error) bool {
	_, ok := errors.AsType[*json.UnmarshalTypeError](err)
	return ok
}
