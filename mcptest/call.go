package mcptest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

// A Call is the outcome of a tool call.
type Call struct {
	// Result is what the tool answered; nil if the call failed with a
	// protocol error.
	Result *mcp.CallToolResult
	// Err is the failure: a protocol error or an isError result, or nil.
	Err error

	tb   testing.TB
	what string
}

// Call calls a tool with arguments that encode as JSON; nil means none.
func (c *Client) Call(tool string, args any) *Call {
	c.tb.Helper()
	res, err := c.CallTool(c.tb.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	call := &Call{tb: c.tb, what: describe(tool, args), Err: err}
	if err == nil {
		call.Result, call.Err = res, middleware.Failure(res, nil)
	}
	return call
}

// OK fails the test unless the call succeeded.
func (c *Call) OK() *Call {
	c.tb.Helper()
	if c.Err != nil {
		c.tb.Fatalf("%s failed: %v\nresult: %s", c.what, c.Err, asJSON(c.Result))
	}
	return c
}

// Fails fails the test unless the call failed with code.
func (c *Call) Fails(code mcperrors.Code) *Call {
	c.tb.Helper()
	if c.Err == nil {
		c.tb.Fatalf("%s succeeded, want a failure with code %s\nresult: %s", c.what, code, asJSON(c.Result))
	}
	if got := mcperrors.CodeOf(c.Err); got != code {
		c.tb.Fatalf("%s failed with code %s, want %s: %v", c.what, got, code, c.Err)
	}
	return c
}

// Text returns the text items of the result, joined by newlines; of a call that
// failed with a protocol error, its message.
func (c *Call) Text() string {
	if c.Result == nil {
		return c.Err.Error()
	}
	var texts []string
	for _, item := range c.Result.Content {
		if t, ok := item.(*mcp.TextContent); ok {
			texts = append(texts, t.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// Decode decodes the structured content into v, and fails the test if there is
// none or it does not fit.
func (c *Call) Decode(v any) *Call {
	c.tb.Helper()
	if c.Result == nil || c.Result.StructuredContent == nil {
		c.tb.Fatalf("%s has no structured content: %v\nresult: %s", c.what, c.Err, asJSON(c.Result))
	}
	raw, err := json.Marshal(c.Result.StructuredContent)
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		c.tb.Fatalf("%s: structured content %s does not fit %T: %v", c.what, raw, v, err)
	}
	return c
}

func describe(tool string, args any) string { return "call " + tool + "(" + asJSON(args) + ")" }

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
