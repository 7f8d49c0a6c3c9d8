// Package catalog reads, keeps, compares and judges what a server offers:
// its tools, resources, resource templates and prompts.
package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Catalog is what a server offers one of its clients.
type Catalog struct {
	Instructions string                  `json:"instructions,omitempty"`
	Tools        []*mcp.Tool             `json:"tools,omitempty"`
	Resources    []*mcp.Resource         `json:"resources,omitempty"`
	Templates    []*mcp.ResourceTemplate `json:"resourceTemplates,omitempty"`
	Prompts      []*mcp.Prompt           `json:"prompts,omitempty"`
}

// Fetch lists all pages of everything the server says that it has, ordered by
// name.
func Fetch(ctx context.Context, s *mcp.ClientSession) (*Catalog, error) {
	init := s.InitializeResult()
	c := &Catalog{Instructions: init.Instructions}
	capabilities := init.Capabilities
	if capabilities == nil {
		return c, nil
	}
	var err error
	if capabilities.Tools != nil {
		if c.Tools, err = collect(s.Tools(ctx, nil)); err != nil {
			return nil, fmt.Errorf("listing tools: %w", err)
		}
	}
	if capabilities.Resources != nil {
		if c.Resources, err = collect(s.Resources(ctx, nil)); err != nil {
			return nil, fmt.Errorf("listing resources: %w", err)
		}
		if c.Templates, err = collect(s.ResourceTemplates(ctx, nil)); err != nil {
			return nil, fmt.Errorf("listing resource templates: %w", err)
		}
	}
	if capabilities.Prompts != nil {
		if c.Prompts, err = collect(s.Prompts(ctx, nil)); err != nil {
			return nil, fmt.Errorf("listing prompts: %w", err)
		}
	}
	c.sort()
	return c, nil
}

// mostListed bounds what is taken from a server that never stops listing.
const mostListed = 100_000

func collect[T any](all iter.Seq2[*T, error]) ([]*T, error) {
	var list []*T
	for item, err := range all {
		if err != nil {
			return nil, err
		}
		if list = append(list, item); len(list) > mostListed {
			return nil, fmt.Errorf("the list does not end after %d items", mostListed)
		}
	}
	return list, nil
}

func (c *Catalog) sort() {
	slices.SortStableFunc(c.Tools, func(a, b *mcp.Tool) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.Resources, func(a, b *mcp.Resource) int { return cmp.Compare(a.URI, b.URI) })
	slices.SortStableFunc(c.Templates, func(a, b *mcp.ResourceTemplate) int { return cmp.Compare(a.URITemplate, b.URITemplate) })
	slices.SortStableFunc(c.Prompts, func(a, b *mcp.Prompt) int { return cmp.Compare(a.Name, b.Name) })
}

// Tool returns the tool name, or nil.
func (c *Catalog) Tool(name string) *mcp.Tool {
	for _, t := range c.Tools {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Encode returns the catalog as JSON for people to read and for files to keep.
// The same catalog has the same bytes.
func (c *Catalog) Encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(c); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Decode reads what Encode wrote.
func Decode(raw []byte) (*Catalog, error) {
	c := new(Catalog)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("not a catalog: %w", err)
	}
	c.sort()
	return c, nil
}
