package middleware

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// itemSize is what an item is counted for beside its texts, so that very many
// empty ones are not for free.
const itemSize = 32

func sizeOfTool(res *mcp.CallToolResult) int {
	return sizeOfAny(res.StructuredContent) + sizeOfMeta(res.Meta) + sizeOfContentList(res.Content)
}

func sizeOfContentList(list []mcp.Content) (n int) {
	for _, c := range list {
		n += sizeOfContent(c)
	}
	return n
}

func sizeOfPrompt(res *mcp.GetPromptResult) int {
	n := len(res.Description) + sizeOfMeta(res.Meta)
	for _, m := range res.Messages {
		if m != nil {
			n += sizeOfContent(m.Content)
		}
	}
	return n
}

func sizeOfResource(res *mcp.ReadResourceResult) int {
	n := sizeOfMeta(res.Meta)
	for _, c := range res.Contents {
		n += sizeOfContents(c)
	}
	return n
}

func sizeOfTexts(texts []string) int {
	n := itemSize * len(texts)
	for _, text := range texts {
		n += len(text)
	}
	return n
}

func sizeOfContent(c mcp.Content) int {
	switch c := c.(type) {
	case *mcp.TextContent:
		if c != nil {
			return itemSize + len(c.Text) + sizeOfMeta(c.Meta)
		}
	case *mcp.ImageContent:
		if c != nil {
			return itemSize + len(c.MIMEType) + sizeOfBytes(c.Data) + sizeOfMeta(c.Meta)
		}
	case *mcp.AudioContent:
		if c != nil {
			return itemSize + len(c.MIMEType) + sizeOfBytes(c.Data) + sizeOfMeta(c.Meta)
		}
	case *mcp.ResourceLink:
		if c != nil {
			n := itemSize + len(c.URI) + len(c.Name) + len(c.Title) + len(c.Description) + len(c.MIMEType) + sizeOfMeta(c.Meta)
			for i := range c.Icons {
				n += itemSize + len(c.Icons[i].Source)
			}
			return n
		}
	case *mcp.EmbeddedResource:
		if c != nil {
			return sizeOfContents(c.Resource) + sizeOfMeta(c.Meta)
		}
	case nil:
	default: // what is for sampling only
		return itemSize + sizeOfAny(c)
	}
	return itemSize
}

func sizeOfContents(c *mcp.ResourceContents) int {
	if c == nil {
		return itemSize
	}
	return itemSize + len(c.URI) + len(c.MIMEType) + len(c.Text) + sizeOfBytes(c.Blob) + sizeOfMeta(c.Meta)
}

func sizeOfBytes(data []byte) int { return base64.StdEncoding.EncodedLen(len(data)) }

func sizeOfMeta(meta mcp.Meta) int {
	if len(meta) == 0 {
		return 0
	}
	return sizeOfAny(meta)
}

// sizeOfAny is the length of v as JSON.
func sizeOfAny(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case json.RawMessage:
		return len(v)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return 0 // whoever encodes it says so
	}
	return len(raw)
}

// isText reports whether what has this type still is what it is when it is cut.
func isText(mime string) bool {
	return mime == "" || len(mime) >= 5 && strings.EqualFold(mime[:5], "text/")
}
