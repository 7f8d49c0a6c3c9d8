package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/unseen"
)

// StripHidden takes characters out of answers that nobody sees, and that a model
// reads or a terminal obeys all the same: control characters but for tab, line
// feed and carriage return, with the escape sequences that they begin;
// overrides, isolates and marks of direction; characters without width, Unicode's
// tags among them. Joiners and emoji selectors stay where scripts and emoji need
// them.
//
// It looks at the texts of tools, prompts, resources, completions and public
// errors, at links to resources, and at the strings of structured content, of
// which numbers and the rest stay to the letter. A hidden character in the name of
// a member is spelled out, as <U+200B>, so that two members do not become one.
// Binary data, _meta and URIs are left alone, and so are lists: what they
// describe was registered, not fetched.
//
// A result with something to take out is replaced, never changed: it may be
// shared between calls. Text without anything costs one look at each byte, and no
// allocation. Its place is inside of [Errors] and [LimitResult].
func StripHidden() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			if err == nil {
				// What go-sdk's typed tools made of an error is for Errors, which would
				// not know it with another text.
				tool, ok := res.(*mcp.CallToolResult)
				if !ok || tool == nil || !tool.IsError || returned(tool) == nil {
					return cleanResult(res), nil
				}
				err = returned(tool)
			}
			return nil, cleanError(err)
		}
	}
}

func cleanResult(res mcp.Result) mcp.Result {
	switch r := res.(type) {
	case *mcp.CallToolResult:
		if r != nil {
			return cleanTool(r)
		}
	case *mcp.ReadResourceResult:
		if r == nil {
			break
		}
		if contents, changed := cleanEach(r.Contents, cleanContents); changed {
			own := *r
			own.Contents = contents
			return &own
		}
	case *mcp.GetPromptResult:
		if r == nil {
			break
		}
		messages, changed := cleanEach(r.Messages, cleanMessage)
		if description := unseen.Clean(r.Description); changed || description != r.Description {
			own := *r
			own.Messages, own.Description = messages, description
			return &own
		}
	case *mcp.CompleteResult:
		if r == nil {
			break
		}
		values, changed := cleanEach(r.Completion.Values, func(v string) (string, bool) {
			clean := unseen.Clean(v)
			return clean, clean != v
		})
		if changed {
			own := *r
			own.Completion.Values = values
			return &own
		}
	}
	return res
}

func cleanTool(res *mcp.CallToolResult) *mcp.CallToolResult {
	contents, changed := cleanEach(res.Content, cleanContent)
	structured, also := cleanAny(res.StructuredContent)
	if !changed && !also {
		return res
	}
	own := *res
	own.Content, own.StructuredContent = contents, structured
	return &own
}

// cleanEach returns list, or a copy with what clean changed.
func cleanEach[T any](list []T, clean func(T) (T, bool)) (_ []T, changed bool) {
	for i, item := range list {
		replaced, differs := clean(item)
		if !differs {
			continue
		}
		if !changed {
			list, changed = slices.Clone(list), true
		}
		list[i] = replaced
	}
	return list, changed
}

// cleanTexts cleans the texts in place, and reports whether there was anything.
func cleanTexts(texts ...*string) (changed bool) {
	for _, text := range texts {
		if clean := unseen.Clean(*text); clean != *text {
			*text, changed = clean, true
		}
	}
	return changed
}

func cleanContent(c mcp.Content) (mcp.Content, bool) {
	switch c := c.(type) {
	case *mcp.TextContent:
		if c == nil {
			break
		}
		if text := unseen.Clean(c.Text); text != c.Text {
			own := *c
			own.Text = text
			return &own, true
		}
	case *mcp.EmbeddedResource:
		if c == nil {
			break
		}
		if r, changed := cleanContents(c.Resource); changed {
			own := *c
			own.Resource = r
			return &own, true
		}
	case *mcp.ResourceLink:
		if c == nil {
			break
		}
		own := *c
		if cleanTexts(&own.Name, &own.Title, &own.Description) {
			return &own, true
		}
	}
	return c, false
}

func cleanContents(c *mcp.ResourceContents) (*mcp.ResourceContents, bool) {
	if c == nil {
		return c, false
	}
	text := unseen.Clean(c.Text)
	if text == c.Text {
		return c, false
	}
	own := *c
	own.Text = text
	return &own, true
}

func cleanMessage(m *mcp.PromptMessage) (*mcp.PromptMessage, bool) {
	if m == nil {
		return m, false
	}
	c, changed := cleanContent(m.Content)
	if !changed {
		return m, false
	}
	own := *m
	own.Content = c
	return &own, true
}

// cleanAny cleans what will be encoded as JSON.
func cleanAny(v any) (any, bool) {
	raw, ok := v.(json.RawMessage)
	if v == nil {
		return nil, false
	}
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			return v, false // whoever encodes it says so
		}
	}
	clean := unseen.CleanJSON(raw)
	if len(clean) == len(raw) && (len(raw) == 0 || &clean[0] == &raw[0]) {
		return v, false
	}
	return json.RawMessage(clean), true
}

// cleanError cleans what the caller will see of err.
func cleanError(err error) error {
	if e, ok := errors.AsType[*mcperrors.Error](err); ok && e != nil {
		own := *e
		own.Cause = err // all of it is for the log
		changed := cleanTexts(&own.Message)
		if len(e.Details) > 0 {
			if raw, also := cleanAny(e.Details); also {
				own.Details = nil
				changed = json.Unmarshal(raw.(json.RawMessage), &own.Details) == nil || changed //nolint:errcheck // cleanAny makes no other
			}
		}
		if changed {
			return &own
		}
		return err
	}
	if e, ok := errors.AsType[*jsonrpc.Error](err); ok && e != nil {
		own := *e
		data, also := cleanAny(e.Data)
		if cleanTexts(&own.Message) || also {
			own.Data, _ = data.(json.RawMessage)
			return &own
		}
	}
	return err
}
