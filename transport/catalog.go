package transport

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// maxCatalogs is how many different answers to a list are kept: pages, and
	// what different callers may see.
	maxCatalogs = 8
	// maxCatalog bounds one of them, in bytes.
	maxCatalog = 1 << 20
)

// A catalog keeps encoded lists. One is found by what it was encoded from:
// the very items, which go-sdk forbids to change once they are registered, the
// cursor and the caching hints. So it is right whatever a middleware filters.
type catalog struct {
	modern    bool // the era of its calls
	tools     listCache[mcp.Tool]
	prompts   listCache[mcp.Prompt]
	resources listCache[mcp.Resource]
	templates listCache[mcp.ResourceTemplate]
}

// appendResult is the function of that name, for calls of one era, and remembers.
// A known list is not copied: it is the tail, which comes after what was
// appended and is not to be changed.
func (c *catalog) appendResult(dst []byte, id json.RawMessage, method string, res mcp.Result, info json.RawMessage) (_, tail []byte, _ error) {
	encode := func() ([]byte, error) { return appendResult(dst, id, method, res, c.modern, info) }
	plain := func() (_, _ []byte, err error) {
		dst, err = encode()
		return dst, nil, err
	}
	switch res.(type) {
	case *mcp.ListToolsResult, *mcp.ListPromptsResult, *mcp.ListResourcesResult, *mcp.ListResourceTemplatesResult:
		if isNilResult(res) || len(res.GetMeta()) > 0 {
			return plain()
		}
	default: // go-sdk's empty result panics when it is asked for its _meta
		return plain()
	}
	switch r := res.(type) {
	case *mcp.ListToolsResult:
		return c.tools.append(dst, id, encodedList[mcp.Tool]{items: r.Tools, next: r.NextCursor, hints: r.Cacheable}, encode)
	case *mcp.ListPromptsResult:
		return c.prompts.append(dst, id, encodedList[mcp.Prompt]{items: r.Prompts, next: r.NextCursor, hints: r.Cacheable}, encode)
	case *mcp.ListResourcesResult:
		return c.resources.append(dst, id, encodedList[mcp.Resource]{items: r.Resources, next: r.NextCursor, hints: r.Cacheable}, encode)
	case *mcp.ListResourceTemplatesResult:
		return c.templates.append(dst, id, encodedList[mcp.ResourceTemplate]{items: r.ResourceTemplates, next: r.NextCursor, hints: r.Cacheable}, encode)
	}
	return plain()
}

// An encodedList is a list and its encoding. Holding the items keeps their
// addresses from meaning anything else.
type encodedList[T any] struct {
	items []*T
	next  string
	hints mcp.Cacheable
	tail  []byte // the encoded result, and the end of the response
}

func (l *encodedList[T]) same(other *encodedList[T]) bool {
	return l.next == other.next && l.hints == other.hints && (l.items == nil) == (other.items == nil) && slices.Equal(l.items, other.items)
}

// A listCache keeps the lists that were encoded last, the newest first.
type listCache[T any] struct {
	lists atomic.Pointer[[]encodedList[T]]
}

func (c *listCache[T]) append(dst []byte, id json.RawMessage, wanted encodedList[T], encode func() ([]byte, error)) (_, tail []byte, _ error) {
	var known []encodedList[T]
	if lists := c.lists.Load(); lists != nil {
		known = *lists
	}
	for i := range known {
		if known[i].same(&wanted) {
			return append(appendID(dst, id), `,"result":`...), known[i].tail, nil
		}
	}
	start := len(appendID(dst, id)) + len(`,"result":`)
	out, err := encode()
	if err != nil || len(out)-start > maxCatalog {
		return out, nil, err
	}
	wanted.items = slices.Clone(wanted.items) // a middleware may use its slice again
	wanted.tail = bytes.Clone(out[start:])
	// Of two that do this at once one is forgotten, and encoded again.
	updated := append([]encodedList[T]{wanted}, known[:min(len(known), maxCatalogs-1)]...)
	c.lists.Store(&updated)
	return out, nil, nil
}
