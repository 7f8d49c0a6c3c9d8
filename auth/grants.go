package auth

import (
	"slices"

	"github.com/trestle-mcp/trestle/internal/glob"
)

// grants are permissions, compiled so that many are as quickly asked as few.
type grants struct {
	all     bool // everything
	targets []target
}

// A target is what is granted of one verb and kind.
type target struct {
	verb Verb
	kind Kind

	all     bool // whatever the name
	exact   map[string]struct{}
	globs   map[string][]glob.Glob // by prefix
	lengths []int                  // of the prefixes, ascending
}

func newGrants(permissions []permission, tenant string) *grants {
	g := new(grants)
	for _, p := range permissions {
		if p, ok := p.forTenant(tenant); ok {
			g.add(p)
		}
	}
	return g
}

func (g *grants) add(p permission) {
	if p.verb == everything {
		g.all = true
		return
	}
	t := g.target(p.verb, p.kind)
	if t == nil {
		g.targets = append(g.targets, target{
			verb: p.verb, kind: p.kind, exact: map[string]struct{}{}, globs: map[string][]glob.Glob{},
		})
		t = &g.targets[len(g.targets)-1]
	}
	compiled := glob.New(p.glob)
	switch {
	case p.glob == "" || p.glob == "*":
		t.all = true
	case compiled.Exact():
		t.exact[p.glob] = struct{}{}
	default:
		t.globs[compiled.Prefix()] = append(t.globs[compiled.Prefix()], compiled)
		if i, found := slices.BinarySearch(t.lengths, len(compiled.Prefix())); !found {
			t.lengths = slices.Insert(t.lengths, i, len(compiled.Prefix()))
		}
	}
}

func (g *grants) target(verb Verb, kind Kind) *target {
	for i := range g.targets {
		if t := &g.targets[i]; t.kind == kind && t.verb == verb {
			return t
		}
	}
	return nil
}

// cover reports whether the grants hold verb for the thing of that name.
func (g *grants) cover(verb Verb, kind Kind, name string) bool {
	if g.all {
		return true
	}
	t := g.target(verb, kind)
	return t != nil && (t.all || t.has(name))
}

func (t *target) has(name string) bool {
	if _, found := t.exact[name]; found {
		return true
	}
	for _, n := range t.lengths {
		if n > len(name) {
			break
		}
		same := t.globs[name[:n]]
		for i := range same {
			if same[i].Match(name) {
				return true
			}
		}
	}
	return false
}
