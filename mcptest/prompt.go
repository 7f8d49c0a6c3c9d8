package mcptest

import (
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A Prompt is the outcome of getting a prompt.
type Prompt struct {
	Outcome

	// Result is what the server answered; nil if getting failed.
	Result *mcp.GetPromptResult
}

// Prompt gets a prompt with arguments; nil means none.
func (c *Client) Prompt(name string, args map[string]string) *Prompt {
	c.tb.Helper()
	prompt := &Prompt{Outcome: c.outcome("prompt "+name, args)}
	params := &mcp.GetPromptParams{Name: name, Arguments: args}
	params.SetProgressToken(prompt.token)
	prompt.Result, prompt.Err = c.GetPrompt(c.tb.Context(), params)
	return prompt
}

// OK fails the test unless there was a prompt.
func (p *Prompt) OK() *Prompt {
	p.c.tb.Helper()
	p.ok()
	return p
}

// Fails fails the test unless getting the prompt failed with code.
func (p *Prompt) Fails(code mcperrors.Code) *Prompt {
	p.c.tb.Helper()
	p.fails(code)
	return p
}

// Text returns the texts of the messages, joined by newlines; of a failure, its
// message.
func (p *Prompt) Text() string {
	if p.Result == nil {
		return p.Err.Error()
	}
	var texts []string
	for _, m := range p.Result.Messages {
		if t, ok := m.Content.(*mcp.TextContent); ok {
			texts = append(texts, t.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// CompletePrompt returns what the server suggests for an argument of a prompt
// that starts with typed; chosen holds the other arguments, and may be nil. It
// fails the test if the server refuses.
func (c *Client) CompletePrompt(prompt, argument, typed string, chosen map[string]string) []string {
	c.tb.Helper()
	return c.suggestions(&mcp.CompleteReference{Type: "ref/prompt", Name: prompt}, argument, typed, chosen)
}

// CompleteTemplate is like [Client.CompletePrompt] for a variable of a resource
// template.
func (c *Client) CompleteTemplate(uriTemplate, variable, typed string, chosen map[string]string) []string {
	c.tb.Helper()
	return c.suggestions(&mcp.CompleteReference{Type: "ref/resource", URI: uriTemplate}, variable, typed, chosen)
}

func (c *Client) suggestions(ref *mcp.CompleteReference, argument, typed string, chosen map[string]string) []string {
	c.tb.Helper()
	o := c.outcome("complete "+ref.Name+ref.URI, map[string]string{argument: typed})
	params := &mcp.CompleteParams{
		Ref:      ref,
		Argument: mcp.CompleteParamsArgument{Name: argument, Value: typed},
	}
	if chosen != nil {
		params.Context = &mcp.CompleteContext{Arguments: chosen}
	}
	params.Meta = mcp.Meta{"progressToken": o.token}
	res, err := c.Complete(c.tb.Context(), params)
	if o.Err = err; err != nil {
		o.ok()
		return nil
	}
	return res.Completion.Values
}
