// Package glob matches names and URIs.
package glob

import "strings"

// A Glob matches text to the letter, but for '*', which stands for any run of
// characters, also for none and also over '/', '.' and '?'. There is no escape.
type Glob struct {
	prefix, suffix string
	middle         []string // in this order, anywhere between
	exact          bool     // prefix is all there is
}

// New returns the glob that text is.
func New(text string) Glob {
	parts := strings.Split(text, "*")
	if len(parts) == 1 {
		return Glob{prefix: text, exact: true}
	}
	g := Glob{prefix: parts[0], suffix: parts[len(parts)-1]}
	for _, part := range parts[1 : len(parts)-1] {
		if part != "" {
			g.middle = append(g.middle, part)
		}
	}
	return g
}

// Prefix is what all that g matches starts with.
func (g *Glob) Prefix() string { return g.prefix }

// Exact reports whether g matches its own text only.
func (g *Glob) Exact() bool { return g.exact }

// Match reports whether g matches text. It takes each part where it is found first, which is right because a star
// may stand for the rest, and never looks back: its time is linear but for the
// search for one part.
func (g *Glob) Match(text string) bool {
	if g.exact {
		return text == g.prefix
	}
	if len(text) < len(g.prefix)+len(g.suffix) || !strings.HasPrefix(text, g.prefix) || !strings.HasSuffix(text, g.suffix) {
		return false
	}
	text = text[len(g.prefix) : len(text)-len(g.suffix)]
	for _, part := range g.middle {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
