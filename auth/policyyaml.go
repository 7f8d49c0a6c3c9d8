package auth

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// maxPolicyFile bounds the text of a policy, in bytes.
const maxPolicyFile = 4 << 20

// ParsePolicy reads a policy from YAML, or returns every mistake with its line:
//
//	roles:
//	  reader: [read:resources, execute:tools:echo]
//	  admin: ["*"]
//	scopes:
//	  notes:write: ["execute:tools:notes.*"]
//	authenticated: [execute:tools:help]
//	anonymous: []
//	local: ["*"]
//	kinds: [invoices]
//
// All keys may be left out, none may be there twice and no others are known.
// Anchors, aliases and tags are refused: what a policy says is where it says it.
func ParsePolicy(text []byte) (PolicySpec, error) { return parsePolicy(text, nil) }

func parsePolicy(text []byte, kinds []Kind) (PolicySpec, error) {
	spec := PolicySpec{Kinds: slices.Clone(kinds)}
	if len(text) > maxPolicyFile {
		return spec, fmt.Errorf("auth: policy: longer than %d bytes", maxPolicyFile)
	}
	var doc yaml.Node
	// Keys are checked below, all of them and with their lines.
	if err := yaml.Load(text, &doc, yaml.WithV4Defaults(), yaml.WithUniqueKeys(false)); err != nil {
		return spec, fmt.Errorf("auth: policy: %w", err)
	}
	r := &yamlReader{}
	root := &doc
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	r.mapping("the policy", root, func(key string, value *yaml.Node) {
		switch key {
		case "roles":
			spec.Roles = r.lists(key, value)
		case "scopes":
			spec.Scopes = r.lists(key, value)
		case "authenticated":
			spec.Authenticated = r.permissions(key, value)
		case "anonymous":
			spec.Anonymous = r.permissions(key, value)
		case "local":
			spec.Local = r.permissions(key, value)
		case "kinds":
			r.texts(key, value, func(n *yaml.Node) {
				spec.Kinds = append(spec.Kinds, Kind(n.Value))
				r.note(n, checkKinds([]Kind{Kind(n.Value)}))
			})
		default:
			r.mistake(value, "%s: no such key", quoted(key))
		}
	})
	r.checkPermissions(spec.Kinds)
	if err := errors.Join(r.mistakes...); err != nil {
		return PolicySpec{}, fmt.Errorf("auth: policy: %w", err)
	}
	return spec, nil
}

// A yamlReader walks the nodes of a document and collects mistakes.
type yamlReader struct {
	mistakes []error
	found    []*yaml.Node // permissions, to be checked once all kinds are known
}

func (r *yamlReader) mistake(n *yaml.Node, format string, args ...any) {
	r.note(n, fmt.Errorf(format, args...))
}

func (r *yamlReader) note(n *yaml.Node, err error) {
	if err != nil {
		r.mistakes = append(r.mistakes, fmt.Errorf("line %s: %w", strconv.Itoa(n.Line), err))
	}
}

// mapping calls each for the entries of n, whose keys are texts and unique.
// Nothing at all counts as an empty mapping.
func (r *yamlReader) mapping(what string, n *yaml.Node, each func(key string, value *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode || !r.plain(n) {
		r.mistake(n, "%s: not a mapping of names", what)
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !r.isText(key):
			r.mistake(key, "%s: a key that is no text", what)
		case seen[key.Value]:
			r.mistake(key, "%s: %s is there twice", what, quoted(key.Value))
		default:
			seen[key.Value] = true
			each(key.Value, value)
		}
	}
}

func (r *yamlReader) lists(what string, n *yaml.Node) map[string][]string {
	lists := make(map[string][]string)
	r.mapping(what, n, func(key string, value *yaml.Node) {
		lists[key] = r.permissions(what+" "+quoted(key), value)
	})
	return lists
}

func (r *yamlReader) permissions(what string, n *yaml.Node) (list []string) {
	r.texts(what, n, func(n *yaml.Node) {
		list = append(list, n.Value)
		r.found = append(r.found, n)
	})
	return list
}

// texts calls each for the items of a list of texts.
func (r *yamlReader) texts(what string, n *yaml.Node, each func(*yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode || !r.plain(n) {
		r.mistake(n, "%s: not a list", what)
		return
	}
	for _, item := range n.Content {
		if r.isText(item) {
			each(item)
		} else {
			r.mistake(item, "%s: an item that is no text", what)
		}
	}
}

func (r *yamlReader) checkPermissions(kinds []Kind) {
	for _, n := range r.found {
		_, err := parsePermission(n.Value, kinds)
		r.note(n, err)
	}
}

// isText reports whether n is a string by itself: 1, true and null are not.
func (r *yamlReader) isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && r.plain(n)
}

// plain reports whether n has no anchor and no tag of its own.
func (r *yamlReader) plain(n *yaml.Node) bool {
	return n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0
}
