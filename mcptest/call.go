package mcptest

import (
	"encoding/json"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

// A Call is the outcome of a tool call.
type Call struct {
	Outcome

	// Result is what the tool answered; nil if the call failed with a
	// protocol error.
	Result *mcp.CallToolResult
}

// Call calls a tool with arguments that encode as JSON; nil means none. It asks
// for progress, which [Outcome.Progress] has.
func (c *Client) Call(tool string, args any) *Call {
	c.tb.Helper()
	call := &Call{Outcome: c.outcome("call "+tool, args)}
	params := &mcp.CallToolParams{Name: tool, Arguments: args}
	params.SetProgressToken(call.token)
	res, err := c.CallTool(c.tb.Context(), params)
	call.Err = err
	if err == nil {
		call.Result, call.Err = res, middleware.Failure(res, nil)
	}
	return call
}

// OK fails the test unless the call succeeded.
func (c *Call) OK() *Call {
	c.c.tb.Helper()
	c.ok()
	return c
}

// Fails fails the test unless the call failed with code.
func (c *Call) Fails(code mcperrors.Code) *Call {
	c.c.tb.Helper()
	c.fails(code)
	return c
}

// Says fails the test unless [Call.Text] contains part.
func (c *Call) Says(part string) *Call {
	c.c.tb.Helper()
	if !strings.Contains(c.Text(), part) {
		c.fatalf("does not say %q", part)
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

// Structured returns the structured content as JSON. It fails the test if there
// is none.
func (c *Call) Structured() json.RawMessage {
	c.c.tb.Helper()
	if c.Result == nil || c.Result.StructuredContent == nil {
		c.fatalf("has no structured content: %v", c.Err)
		return nil
	}
	raw, err := json.Marshal(c.Result.StructuredContent)
	if err != nil {
		c.fatalf("has structured content that is no JSON: %v", err)
	}
	return raw
}

// Decode decodes the structured content into v, and fails the test if there is
// none or it does not fit.
func (c *Call) Decode(v any) *Call {
	c.c.tb.Helper()
	c.decode(c.Structured(), v)
	return c
}

// Equal fails the test with a diff unless the structured content is, as JSON,
// what want is.
func (c *Call) Equal(want any) *Call {
	c.c.tb.Helper()
	c.equal(c.Structured(), want)
	return c
}
