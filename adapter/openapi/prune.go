package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxParts bounds how many components and paths the chosen operations may need:
// the parser takes time by the square of it.
const maxParts = 1000

// prune returns the document with the chosen operations and what they refer to,
// and nothing else: neither mistakes elsewhere nor the size of the whole matter.
func (d *document) prune(chosen []*operation) (map[string]any, error) {
	root, _ := d.raw.(map[string]any)
	p := &pruner{document: d, paths: map[string]any{}, whole: map[string]bool{}, components: map[string]map[string]any{}}
	out := maps.Clone(root)
	for _, key := range []string{"webhooks", "x-webhooks"} {
		delete(out, key)
	}
	if given, ok := root["components"].(map[string]any); ok {
		if schemes, ok := given["securitySchemes"].(map[string]any); ok {
			p.components["securitySchemes"] = schemes
			p.queue = append(p.queue, schemes)
		}
	}
	for _, op := range chosen {
		item, ok := p.paths[op.path].(map[string]any)
		if !ok {
			item = map[string]any{}
			for key, value := range op.rawItem {
				if !slices.Contains(methods, strings.ToUpper(key)) && key != "options" && key != "trace" {
					item[key] = value
				}
			}
			p.paths[op.path] = item
		}
		item[strings.ToLower(op.method)] = op.raw
		p.queue = append(p.queue, item)
	}
	if err := p.reach(); err != nil {
		return nil, err
	}
	out["paths"] = p.paths
	delete(out, "components")
	if len(p.components) > 0 {
		out["components"] = p.components
	}
	return out, nil
}

type pruner struct {
	document   *document
	paths      map[string]any
	whole      map[string]bool           // of paths
	components map[string]map[string]any // by kind and name
	queue      []any
	parts      int
}

// reach takes along whatever is referred to by what was taken.
func (p *pruner) reach() error {
	for len(p.queue) > 0 {
		v := p.queue[len(p.queue)-1]
		p.queue = p.queue[:len(p.queue)-1]
		switch in := v.(type) {
		case map[string]any:
			if ref, ok := in["$ref"].(string); ok {
				p.take(ref)
			}
			if mapping, ok := in["mapping"].(map[string]any); ok { // of a discriminator: references or names
				for _, value := range mapping {
					if text, ok := value.(string); ok {
						p.take(text)
						p.take("#/components/schemas/" + text)
					}
				}
			}
			for _, sub := range in {
				p.queue = append(p.queue, sub)
			}
		case []any:
			p.queue = append(p.queue, in...)
		}
		if p.parts > maxParts {
			return fmt.Errorf("the chosen operations need more than %d components", maxParts)
		}
	}
	return nil
}

// take takes the component or path that a reference leads into. The parser says
// which lead nowhere.
func (p *pruner) take(ref string) {
	parts := strings.Split(ref, "/")
	switch {
	case len(parts) >= 4 && parts[0] == "#" && parts[1] == "components":
		kind, name := unescape(parts[2]), unescape(parts[3])
		if _, there := p.components[kind][name]; there {
			return
		}
		target, err := p.document.at(strings.Join(parts[:4], "/"))
		if err != nil {
			return
		}
		if p.components[kind] == nil {
			p.components[kind] = map[string]any{}
		}
		p.components[kind][name] = target
		p.queue = append(p.queue, target)
		p.parts++
	case len(parts) >= 3 && parts[0] == "#" && parts[1] == "paths":
		path := unescape(parts[2])
		if p.whole[path] {
			return
		}
		target, err := p.document.at(strings.Join(parts[:3], "/"))
		if err != nil {
			return
		}
		// Whole, in place of what was chosen of it: somebody points into it.
		p.whole[path], p.paths[path] = true, target
		p.queue = append(p.queue, target)
		p.parts++
	}
}
