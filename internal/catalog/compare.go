package catalog

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Change is a difference between two catalogs.
type Change struct {
	// Breaking is a change that calls which were right before may fail by, or
	// that answers which clients relied upon may lack.
	Breaking bool   `json:"breaking"`
	Subject  string `json:"subject"` // such as `tool "add"`
	What     string `json:"what"`
}

// String says the change in one line.
func (c Change) String() string {
	if c.Breaking {
		return "breaks clients: " + c.Subject + ": " + c.What
	}
	return c.Subject + ": " + c.What
}

// Compare returns what changed from one catalog to the other, what breaks
// clients first.
func Compare(from, to *Catalog) []Change {
	var d differ
	if from.Instructions != to.Instructions {
		d.add(false, "instructions", "other text")
	}
	pairs(&d, "tool", from.Tools, to.Tools, func(t *mcp.Tool) string { return t.Name }, d.tools)
	pairs(&d, "resource", from.Resources, to.Resources, func(r *mcp.Resource) string { return r.URI }, d.resources)
	pairs(&d, "resource template", from.Templates, to.Templates, func(t *mcp.ResourceTemplate) string { return t.URITemplate }, d.templates)
	pairs(&d, "prompt", from.Prompts, to.Prompts, func(p *mcp.Prompt) string { return p.Name }, d.prompts)
	slices.SortStableFunc(d.changes, func(a, b Change) int { return cmp.Compare(rank(a), rank(b)) })
	return d.changes
}

func rank(c Change) int {
	if c.Breaking {
		return 0
	}
	return 1
}

type differ struct{ changes []Change }

func (d *differ) add(breaking bool, subject, format string, args ...any) {
	d.changes = append(d.changes, Change{breaking, subject, fmt.Sprintf(format, args...)})
}

// pairs compares two lists by key.
func pairs[T any](d *differ, kind string, from, to []*T, key func(*T) string, both func(string, *T, *T)) {
	subject := func(item *T) string { return fmt.Sprintf("%s %q", kind, key(item)) }
	left := map[string]*T{}
	for _, item := range to {
		left[key(item)] = item
	}
	for _, item := range from {
		other, there := left[key(item)]
		delete(left, key(item))
		switch {
		case !there:
			d.add(true, subject(item), "removed")
		case !reflect.DeepEqual(item, other):
			both(subject(item), item, other)
		}
	}
	for _, item := range to {
		if _, added := left[key(item)]; added {
			d.add(false, subject(item), "added")
		}
	}
}

func (d *differ) tools(subject string, from, to *mcp.Tool) {
	before := len(d.changes)
	d.input(subject, "arguments", schema(from.InputSchema), schema(to.InputSchema))
	switch f, t := schema(from.OutputSchema), schema(to.OutputSchema); {
	case f != nil && t == nil:
		d.add(true, subject, "no structured output any more")
	case f == nil && t != nil:
		d.add(false, subject, "structured output added")
	case f != nil:
		d.output(subject, "output", f, t)
	}
	if from.Description != to.Description {
		d.add(false, subject, "other description")
	}
	if !reflect.DeepEqual(from.Annotations, to.Annotations) {
		d.add(false, subject, "other annotations")
	}
	d.rest(before, subject)
}

func (d *differ) prompts(subject string, from, to *mcp.Prompt) {
	before := len(d.changes)
	left := map[string]*mcp.PromptArgument{}
	for _, a := range to.Arguments {
		left[a.Name] = a
	}
	for _, a := range from.Arguments {
		b, there := left[a.Name]
		delete(left, a.Name)
		switch {
		case !there:
			d.add(true, subject, "argument %q removed", a.Name)
		case b.Required && !a.Required:
			d.add(true, subject, "argument %q is required", a.Name)
		case a.Required && !b.Required:
			d.add(false, subject, "argument %q is optional", a.Name)
		}
	}
	for _, a := range to.Arguments {
		if _, added := left[a.Name]; added {
			d.add(a.Required, subject, "argument %q added%s", a.Name, map[bool]string{true: ", and required"}[a.Required])
		}
	}
	d.rest(before, subject)
}

func (d *differ) resources(subject string, from, to *mcp.Resource) {
	before := len(d.changes)
	if from.MIMEType != to.MIMEType {
		d.add(true, subject, "type %q instead of %q", to.MIMEType, from.MIMEType)
	}
	d.rest(before, subject)
}

func (d *differ) templates(subject string, from, to *mcp.ResourceTemplate) {
	before := len(d.changes)
	if from.MIMEType != to.MIMEType {
		d.add(true, subject, "type %q instead of %q", to.MIMEType, from.MIMEType)
	}
	d.rest(before, subject)
}

// rest says that something changed where nothing more exact was said.
func (d *differ) rest(before int, subject string) {
	if len(d.changes) == before {
		d.add(false, subject, "described otherwise")
	}
}
