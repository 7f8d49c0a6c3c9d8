package schema

import (
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// inPlace are the keywords whose schemas judge the same value as the schema they
// stand in. A reference that comes back to itself by these alone would be
// followed without end; by way of a property or an item each round goes a level
// deeper into the value, and values end.
var inPlace = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"}

var errCycle = errors.New("JSONSchema: a $ref leads back to itself without going into the value")

// noCycles reports references that would be followed without end.
func noCycles(raw json.RawMessage) error {
	var root any
	if err := json.Unmarshal(raw, &root); err != nil {
		return err
	}
	c := cycles{anchors: map[anchor]string{}, state: map[string]visit{}}
	c.collect(root, "", "")
	return c.all(root, "", "")
}

// A cycles is the search for one. Schemas are known by their JSON pointers. A
// base is the pointer of the schema that # means: the root, or one with an $id.
type cycles struct {
	anchors map[anchor]string // to pointers
	state   map[string]visit
	root    any
}

type anchor struct{ base, name string }

type visit uint8

const (
	unseen visit = iota
	open
	done
)

// collect finds the anchors.
func (c *cycles) collect(v any, at, base string) {
	if at == "" {
		c.root = v
	}
	object, _ := v.(map[string]any)
	base = baseOf(object, at, base)
	for _, keyword := range []string{"$anchor", "$dynamicAnchor"} {
		if name, ok := object[keyword].(string); ok {
			c.anchors[anchor{base, name}] = at
		}
	}
	each(v, at, func(sub any, at string) { c.collect(sub, at, base) })
}

// all starts a search at every schema.
func (c *cycles) all(v any, at, base string) error {
	if object, ok := v.(map[string]any); ok {
		base = baseOf(object, at, base)
		if err := c.from(v, at, base); err != nil {
			return err
		}
	}
	var errs error
	each(v, at, func(sub any, at string) {
		if errs == nil {
			errs = c.all(sub, at, base)
		}
	})
	return errs
}

func (c *cycles) from(v any, at, base string) error {
	object, ok := v.(map[string]any)
	if !ok || c.state[at] == done {
		return nil
	}
	if c.state[at] == open {
		return errCycle
	}
	c.state[at] = open
	base = baseOf(object, at, base)
	for _, keyword := range []string{"$ref", "$dynamicRef"} {
		ref, ok := object[keyword].(string)
		if !ok {
			continue
		}
		if target, to, ok := c.resolve(ref, base); ok {
			if err := c.from(target, to, base); err != nil {
				return err
			}
		}
	}
	for _, keyword := range inPlace {
		sub, ok := object[keyword]
		if !ok {
			continue
		}
		here := at + "/" + keyword
		err := c.from(sub, here, base)
		each(sub, here, func(one any, at string) {
			if _, list := sub.([]any); err == nil && (list || strings.HasPrefix(keyword, "depend")) {
				err = c.from(one, at, base)
			}
		})
		if err != nil {
			return err
		}
	}
	c.state[at] = done
	return nil
}

func (c *cycles) resolve(ref, base string) (v any, at string, ok bool) {
	fragment, err := url.PathUnescape(strings.TrimPrefix(ref, "#"))
	if err != nil {
		return nil, "", false
	}
	if fragment != "" && fragment[0] != '/' {
		to, ok := c.anchors[anchor{base, fragment}]
		if !ok {
			return nil, "", false
		}
		v, ok = c.at(to)
		return v, to, ok
	}
	v, ok = c.at(base + fragment)
	return v, base + fragment, ok
}

func (c *cycles) at(pointer string) (any, bool) {
	v := c.root
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if pointer == "" {
			break
		}
		switch in := v.(type) {
		case map[string]any:
			v = in[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, v != nil
}

func baseOf(object map[string]any, at, base string) string {
	if id, ok := object["$id"].(string); ok && id != "" && !strings.HasPrefix(id, "#") {
		return at
	}
	return base
}

// each calls f for what is in v, with its pointer.
func each(v any, at string, f func(sub any, at string)) {
	switch in := v.(type) {
	case map[string]any:
		for name, sub := range in {
			f(sub, at+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
		}
	case []any:
		for i, sub := range in {
			f(sub, at+"/"+strconv.Itoa(i))
		}
	}
}
