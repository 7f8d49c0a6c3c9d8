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
	ends    byteSet                // of the names in exact
	globs   map[string][]glob.Glob // by prefix
	lengths []prefixes             // ascending
}

// prefixes are those of one length, in bytes.
type prefixes struct {
	length int
	last   byteSet // of each
}

// may reports whether name may start with one of the prefixes: it spares most of
// the searches for them, which take the longest.
func (p *prefixes) may(name string) bool {
	return p.length == 0 || p.last.has(name[p.length-1])
}

// A byteSet is a set of bytes.
type byteSet [4]uint64

func (b *byteSet) add(c byte) { b[c>>6] |= 1 << (c & 63) }

func (b *byteSet) has(c byte) bool { return b[c>>6]&(1<<(c&63)) != 0 }

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
		t.ends.add(p.glob[len(p.glob)-1])
	default:
		t.globs[compiled.Prefix()] = append(t.globs[compiled.Prefix()], compiled)
		t.learn(compiled.Prefix())
	}
}

func (t *target) learn(prefix string) {
	i, found := slices.BinarySearchFunc(t.lengths, len(prefix), func(p prefixes, n int) int { return p.length - n })
	if !found {
		t.lengths = slices.Insert(t.lengths, i, prefixes{length: len(prefix)})
	}
	if prefix != "" {
		t.lengths[i].last.add(prefix[len(prefix)-1])
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
	if name != "" && t.ends.has(name[len(name)-1]) {
		if _, found := t.exact[name]; found {
			return true
		}
	}
	for i := range t.lengths {
		p := &t.lengths[i]
		if p.length > len(name) {
			break
		}
		if !p.may(name) {
			continue
		}
		same := t.globs[name[:p.length]]
		for i := range same {
			if same[i].Match(name) {
				return true
			}
		}
	}
	return false
}
