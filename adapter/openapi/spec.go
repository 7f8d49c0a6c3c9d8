package openapi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/trestle-mcp/trestle/internal/glob"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// Spec makes a description of the chosen operations of a document, which is JSON
// or YAML. The error has all mistakes of the document, the options and the
// operations.
func Spec(text []byte, o *Options) (*httptool.Spec, error) {
	if o == nil {
		o = &Options{} // which chooses nothing
	}
	d, err := load(text)
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	b := &builder{document: d, options: o}
	chosen := b.chosen()
	if err := d.parse(chosen); err != nil {
		return nil, fmt.Errorf("openapi: %w", errors.Join(append(b.mistakes, err)...))
	}
	spec := b.spec(chosen)
	if len(b.mistakes) == 0 {
		b.note("", spec.Check())
	}
	if err := errors.Join(b.mistakes...); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return spec, nil
}

// A builder makes tools and collects mistakes.
type builder struct {
	*document
	options  *Options
	mistakes []error
}

func (b *builder) note(where string, err error) {
	if err == nil || len(b.mistakes) == maxMistakes {
		return
	}
	if where != "" {
		err = fmt.Errorf("%s: %w", where, err)
	}
	b.mistakes = append(b.mistakes, err)
}

func (b *builder) spec(chosen []*operation) *httptool.Spec {
	o := b.options
	spec := &httptool.Spec{
		Name: o.Name, Version: o.Version, BaseURL: b.base(), Hosts: o.Hosts, Addresses: o.Addresses,
		Timeout: o.Timeout, MaxResponse: o.MaxResponse,
	}
	if spec.Name == "" {
		spec.Name = normal(b.Info.Title)
	}
	if spec.Version == "" {
		spec.Version = b.Info.Version
	}
	names := map[string]string{} // to operations
	for _, op := range chosen {
		if !op.bind(b.document) {
			b.note(op.where(), errors.New("the parser does not find it"))
			continue
		}
		tool, err := b.tool(op)
		b.note(op.where(), err)
		if err != nil {
			continue
		}
		if other, twice := names[tool.Name]; twice {
			b.note(op.where(), fmt.Errorf("its tool would be %q, which is %s; use Names", tool.Name, other))
		}
		names[tool.Name] = op.where()
		spec.Tools = append(spec.Tools, *tool)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Names)) {
		if !b.named(name) {
			b.note("Names", fmt.Errorf("%q is no operation", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Secrets)) {
		if b.Components == nil || b.Components.SecuritySchemes[name] == nil {
			b.note("Secrets", fmt.Errorf("%q is no security scheme of the document", name))
		}
	}
	return spec
}

// An operation is one of the document with where it is.
type operation struct {
	method, path string
	id           string
	tags         []any
	raw, rawItem map[string]any // as the document has them: the parser rounds numbers

	*openapi3.Operation // once it was parsed
	item                *openapi3.PathItem
}

// bind finds op in what was parsed.
func (op *operation) bind(d *document) bool {
	if op.item = d.Paths.Value(op.path); op.item != nil {
		op.Operation = op.item.GetOperation(op.method)
	}
	return op.Operation != nil
}

func (op *operation) place() string { return op.method + " " + op.path }

// where names the operation to whoever reads the document.
func (op *operation) where() string {
	if op.id != "" {
		return op.id
	}
	return op.place()
}

func (op *operation) matches(pattern string) bool {
	g := glob.New(pattern)
	return g.Match(op.place()) || op.id != "" && g.Match(op.id)
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// all returns the operations in the order of their paths.
func (b *builder) all() []*operation {
	root, _ := b.raw.(map[string]any)
	paths, _ := root["paths"].(map[string]any)
	var list []*operation
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, _ := b.follow(paths[path])
		for _, method := range methods {
			raw, ok := b.follow(item[strings.ToLower(method)])
			if !ok {
				continue
			}
			op := &operation{method: method, path: path, raw: raw, rawItem: item}
			op.id, _ = raw["operationId"].(string)
			op.tags, _ = raw["tags"].([]any)
			list = append(list, op)
		}
	}
	return list
}

func (b *builder) named(name string) bool {
	return slices.ContainsFunc(b.all(), func(op *operation) bool { return op.id == name || op.place() == name })
}

func (b *builder) chosen() []*operation {
	o := b.options
	if len(o.Operations)+len(o.Tags) == 0 {
		b.note("Operations", errors.New(`nothing is chosen; "*" takes all`))
	}
	all := b.all()
	picked := map[*operation]bool{}
	pick := func(option, pattern string, to bool, matches func(*operation) bool) {
		found := false
		for _, op := range all {
			if matches(op) {
				found, picked[op] = true, to
			}
		}
		if !found {
			b.note(option, fmt.Errorf("%q matches no operation", pattern))
		}
	}
	for _, pattern := range o.Operations {
		pick("Operations", pattern, true, func(op *operation) bool { return op.matches(pattern) })
	}
	for _, tag := range o.Tags {
		pick("Tags", tag, true, func(op *operation) bool { return slices.Contains(op.tags, any(tag)) })
	}
	for _, pattern := range o.Except {
		pick("Except", pattern, false, func(op *operation) bool { return op.matches(pattern) })
	}
	return slices.DeleteFunc(all, func(op *operation) bool { return !picked[op] })
}

// base returns where the service is.
func (b *builder) base() string {
	switch {
	case b.options.BaseURL != "":
		return b.options.BaseURL
	case len(b.Servers) == 0:
		b.note("servers", errors.New("there is none; set BaseURL"))
		return ""
	}
	server := b.Servers[0]
	url := server.URL
	for name, variable := range server.Variables {
		url = strings.ReplaceAll(url, "{"+name+"}", variable.Default)
	}
	if !strings.Contains(url, "://") {
		b.note("servers", fmt.Errorf("%.200q is relative to where the document was; set BaseURL", url))
	}
	return url
}

const maxName = 64

var unusual = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// normal writes a name in the letters that names of tools and arguments may have.
func normal(name string) string {
	name = strings.Trim(unusual.ReplaceAllString(name, "_"), "_")
	return strings.TrimRight(name[:min(len(name), maxName)], "_")
}
