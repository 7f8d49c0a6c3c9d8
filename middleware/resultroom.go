package middleware

import (
	"fmt"
	"maps"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A room is what is left of a limit, and what did not fit.
type room struct {
	limit, left    int
	items, leftOut int // that are missing; in bytes
}

func (r *room) meta(meta mcp.Meta) mcp.Meta {
	meta = maps.Clone(meta)
	if meta == nil {
		meta = mcp.Meta{}
	}
	meta[TruncatedMetaKey] = map[string]any{"leftOut": r.leftOut, "limit": r.limit}
	return meta
}

// fits takes size if there is room for it.
func (r *room) fits(size int) bool {
	if size > r.left {
		return false
	}
	r.left -= size
	return true
}

// without counts an item that is left out.
func (r *room) without(size int) {
	r.items++
	r.leftOut += size
}

// cut returns as much of text as there is room for, with a mark, and takes all
// the room. overhead is what comes with it.
func (r *room) cut(text string, overhead int) string {
	n := min(max(r.left-overhead, 0), len(text))
	for n > 0 && n < len(text) && text[n]&0xc0 == 0x80 { // within a character
		n--
	}
	r.left = 0
	r.leftOut += len(text) - n
	return fmt.Sprintf("%s\n[truncated: %d of %d bytes left out]", text[:n], len(text)-n, len(text))
}

// remark is the text that stands for all items that were left out.
func (r *room) remark() *mcp.TextContent {
	what := fmt.Sprintf("%d items", r.items)
	if r.items == 1 {
		what = "1 item"
	}
	return &mcp.TextContent{Text: fmt.Sprintf("[truncated: %s left out, as the result is over its limit of %d bytes]", what, r.limit)}
}

// content returns c, what of it there is room for, or nil.
func (r *room) content(c mcp.Content) mcp.Content {
	size := sizeOfContent(c)
	if r.fits(size) {
		return c
	}
	if r.left > itemSize {
		switch c := c.(type) {
		case *mcp.TextContent:
			own := *c
			own.Text = r.cut(c.Text, size-len(c.Text))
			return &own
		case *mcp.EmbeddedResource:
			if isCuttable(c.Resource) {
				own := *c
				own.Resource = r.resource(c.Resource)
				return &own
			}
		}
	}
	r.without(size)
	return nil
}

func isCuttable(c *mcp.ResourceContents) bool {
	return c != nil && c.Blob == nil && isText(c.MIMEType)
}

// resource returns what of a text there is room for.
func (r *room) resource(c *mcp.ResourceContents) *mcp.ResourceContents {
	own := *c
	own.Text = r.cut(c.Text, sizeOfContents(c)-len(c.Text))
	return &own
}
