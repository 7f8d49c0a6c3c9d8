package schema

import (
	"encoding/json"
	"fmt"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// Encode writes v as JSON and checks that it is what the schema promises.
// A nil slice or map is written as [] or {}, unless only null conforms.
//
// An error is a fault of the server: a plain error, with text that is not for
// the caller. The validate tags count as far as they are in the schema.
func (s *Schema[T]) Encode(v T) (json.RawMessage, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	if data, err = s.conform(data); err != nil {
		return nil, fmt.Errorf("encode %T: the value does not conform to its schema: %w", v, err)
	}
	return data, nil
}

// nonconforming is what is wrong with a value of our own.
type nonconforming struct{ report }

func (n *nonconforming) Error() string {
	p := n.problems[0]
	text := p.Problem
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if more := len(n.problems) + n.more - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

func (c *core) conform(data []byte) ([]byte, error) {
	w := walker{data: data, output: true}
	w.value(strictjson.SkipSpace(data, 0), c.root, nil)
	data = w.patched()
	if c.judge != nil && len(w.problems) == 0 {
		if _, err := c.judge.validate(data); err != nil {
			return nil, err
		}
	}
	if len(w.problems) > 0 {
		return nil, &nonconforming{w.report}
	}
	return data, nil
}
