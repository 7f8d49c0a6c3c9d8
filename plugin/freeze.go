package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// freeze encodes what the author gave as values of his own: the server encodes
// it again and again, also in lists that are about others, and what encodes by
// code of the plugin could fail or hang there. It puts the prefix before names.
func (u *unit) freeze(f *Feature) (err error) {
	var meta *mcp.Meta
	switch f.Kind {
	case KindTool:
		def := *f.Tool
		def.Name = u.setup.Prefix + def.Name
		f.Aliases = slices.Clone(f.Aliases)
		for i := range f.Aliases {
			f.Aliases[i] = u.setup.Prefix + f.Aliases[i]
		}
		if def.InputSchema, err = frozen("InputSchema", def.InputSchema); err != nil {
			return err
		}
		if def.OutputSchema, err = frozen("OutputSchema", def.OutputSchema); err != nil {
			return err
		}
		f.Tool, meta = &def, &def.Meta
	case KindPrompt:
		def := *f.Prompt
		def.Name = u.setup.Prefix + def.Name
		f.Prompt, meta = &def, &def.Meta
	case KindResource:
		def := *f.Resource
		f.Resource, meta = &def, &def.Meta
	case KindTemplate:
		def := *f.Template
		f.Template, meta = &def, &def.Meta
	}
	if *meta == nil {
		return nil
	}
	*meta = maps.Clone(*meta)
	for key, value := range *meta {
		if (*meta)[key], err = frozen("Meta "+key, value); err != nil {
			return err
		}
	}
	return nil
}

func frozen(what string, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if string(raw) == "null" {
		return nil, nil
	}
	return json.RawMessage(raw), nil
}

// digest is the hash of the unit: of its name, version and prefix, and of all
// that clients see and need of its features.
func (u *unit) digest(features []*Feature) (string, error) {
	type item struct {
		Kind                         Kind
		Name                         string
		Definition                   any
		Aliases, Require, Scopes, In []string
	}
	var items []item
	for _, f := range features {
		items = append(items, item{f.Kind, f.Name(), f.definition(), f.Aliases, f.Access.Require, f.Access.RequireScopes, f.Access.Tags})
	}
	slices.SortFunc(items, func(a, b item) int {
		if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	raw, err := json.Marshal(struct {
		Name, Version, Prefix string
		Features              []item
	}{u.name, u.version, u.setup.Prefix, items})
	if err != nil {
		return "", fmt.Errorf("its description does not encode: %w", err)
	}
	return sum(raw), nil
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}

// hashOf is the hash of a set of units.
func hashOf(units map[string]*unit) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(units)) {
		fmt.Fprintf(&text, "%s %s\n", name, units[name].hash)
	}
	return sum([]byte(text.String()))
}
