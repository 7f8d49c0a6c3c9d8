package middleware

import (
	"context"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// TruncatedMetaKey is the _meta entry of a result from which [LimitResult] left
// something out. It holds {"leftOut": bytes, "limit": bytes}, for programs.
const TruncatedMetaKey = "io.github.trestle-mcp/truncated"

// LimitResult bounds what one call may answer to limit bytes; zero and negative
// mean no limit. Of what goes beyond:
//
//   - Text is cut after a whole character, and says at its end how much is
//     missing: "[truncated: 2048 of 3072 bytes left out]". This is the text of
//     tools and prompts, and of resources whose MIME type is empty or text/….
//   - What cannot be cut, such as an image or JSON in a resource, is left out of the
//     answer of a tool or a prompt, and a last text says so.
//   - Completions are fewer, with hasMore.
//   - A tool's structured content would not be what its schema promises, and a
//     resource that is not text, or _meta, not what it is: then there is a validation error,
//     which tells the model to ask for less. What it asked for again would be as
//     large, so no other code fits.
//
// What fits is kept in its order; structured content goes before text. A result
// that was shortened has [TruncatedMetaKey], and is a new one: what is passed
// around below stays whole.
//
// Counted are texts, URIs and structured content by their length before JSON
// escapes them, binary data as its base64, _meta, and 32 bytes for each item; the
// marks come on top. Lists are bounded by their pages and not looked at, nor
// are questions to the user and the results of methods of your own.
//
// Its place is inside of Errors, and outside of what may answer calls.
func LimitResult(limit int) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		if limit <= 0 {
			return next
		}
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			if err != nil {
				return res, err
			}
			switch r := res.(type) {
			case *mcp.CallToolResult:
				// What go-sdk's typed tools made of an error is for Errors.
				if r != nil && sizeOfTool(r) > limit && returned(r) == nil {
					return limitTool(r, limit)
				}
			case *mcp.ReadResourceResult:
				if r != nil && sizeOfResource(r) > limit {
					return limitResource(r, limit)
				}
			case *mcp.GetPromptResult:
				if r != nil && sizeOfPrompt(r) > limit {
					return limitPrompt(r, limit)
				}
			case *mcp.CompleteResult:
				if r != nil && sizeOfTexts(r.Completion.Values) > limit {
					return limitCompletion(r, limit), nil
				}
			}
			return res, nil
		}
	}
}

func limitTool(res *mcp.CallToolResult, limit int) (mcp.Result, error) {
	r := &room{limit: limit, left: limit}
	if whole := sizeOfAny(res.StructuredContent) + sizeOfMeta(res.Meta); !r.fits(whole) {
		return nil, tooLarge("the tool's result", whole, limit)
	}
	own := *res
	own.Content = make([]mcp.Content, 0, len(res.Content))
	for _, c := range res.Content {
		if c = r.content(c); c != nil {
			own.Content = append(own.Content, c)
		}
	}
	if r.items > 0 {
		own.Content = append(own.Content, r.remark())
	}
	own.Meta = r.meta(res.Meta)
	return &own, nil
}

func limitPrompt(res *mcp.GetPromptResult, limit int) (mcp.Result, error) {
	r := &room{limit: limit, left: limit}
	if whole := sizeOfMeta(res.Meta) + len(res.Description); !r.fits(whole) {
		return nil, tooLarge("the prompt", whole, limit)
	}
	own := *res
	own.Messages = make([]*mcp.PromptMessage, 0, len(res.Messages))
	role := mcp.Role("user")
	for _, m := range res.Messages {
		if m == nil {
			continue
		}
		role = m.Role
		if c := r.content(m.Content); c != nil {
			own.Messages = append(own.Messages, &mcp.PromptMessage{Role: m.Role, Content: c})
		}
	}
	if r.items > 0 {
		own.Messages = append(own.Messages, &mcp.PromptMessage{Role: role, Content: r.remark()})
	}
	own.Meta = r.meta(res.Meta)
	return &own, nil
}

func limitResource(res *mcp.ReadResourceResult, limit int) (mcp.Result, error) {
	r := &room{limit: limit, left: limit}
	if whole := sizeOfMeta(res.Meta); !r.fits(whole) {
		return nil, tooLarge("the resource", whole, limit)
	}
	own := *res
	own.Contents = make([]*mcp.ResourceContents, 0, len(res.Contents))
	last := "" // URI of what was left out
	for _, c := range res.Contents {
		if c == nil {
			continue
		}
		size := sizeOfContents(c)
		switch {
		case r.fits(size):
			own.Contents = append(own.Contents, c)
		case !isCuttable(c):
			return nil, tooLarge("the resource", sizeOfResource(res), limit)
		case r.left > 0: // the first
			own.Contents = append(own.Contents, r.resource(c))
		default:
			last = c.URI
			r.without(size)
		}
	}
	if r.items > 0 {
		own.Contents = append(own.Contents, &mcp.ResourceContents{URI: last, MIMEType: "text/plain", Text: r.remark().Text})
	}
	own.Meta = r.meta(res.Meta)
	return &own, nil
}

func limitCompletion(res *mcp.CompleteResult, limit int) *mcp.CompleteResult {
	r := &room{limit: limit, left: limit}
	own := *res
	n := slices.IndexFunc(res.Completion.Values, func(v string) bool { return !r.fits(len(v) + itemSize) })
	own.Completion.Values, own.Completion.HasMore = res.Completion.Values[:max(n, 0)], true
	r.leftOut = sizeOfTexts(res.Completion.Values[max(n, 0):])
	own.Meta = r.meta(res.Meta)
	return &own
}

// tooLarge is for what cannot be shortened.
func tooLarge(what string, size, limit int) error {
	return &mcperrors.Error{
		Code: mcperrors.Validation,
		Message: fmt.Sprintf("%s has %d bytes, more than the limit of %d, and cannot be shortened: "+
			"ask for less, such as fewer items, a narrower search or the next page", what, size, limit),
		Details: map[string]any{"bytes": size, "limit": limit},
	}
}
