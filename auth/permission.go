package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Verb is what somebody wants to do with things of a [Kind].
type Verb string

// The verbs that there are.
const (
	Read    Verb = "read"
	Write   Verb = "write"
	Execute Verb = "execute"
	Admin   Verb = "admin"
)

// A Kind is what a permission is about. A policy may have kinds of its own, see
// [PolicySpec.Kinds].
type Kind string

// The kinds that every policy has.
const (
	Tools     Kind = "tools"     // execute: by name
	Prompts   Kind = "prompts"   // read: by name
	Resources Kind = "resources" // read and write: by URI, templates by their text
	Methods   Kind = "methods"   // execute: methods the protocol does not define, by name
	Access    Kind = "access"    // admin: a permission without an object, for tools to require
)

// verbsOf are the verbs of each kind. Others would grant nothing, so they are
// mistakes. A policy's own kinds have all.
var verbsOf = map[Kind][]Verb{
	Tools:     {Execute},
	Prompts:   {Read},
	Resources: {Read, Write},
	Methods:   {Execute},
	Access:    {Admin},
}

var allVerbs = []Verb{Read, Write, Execute, Admin}

const (
	// everything is the permission that holds all others.
	everything = "*"
	// tenantMark stands for the caller's tenant in a glob. No URI and no name
	// of a tool has these characters.
	tenantMark = "<tenant>"
	// maxPermission bounds a permission, in bytes.
	maxPermission = 1 << 10
)

// A permission is verb:kind[:glob], or everything.
type permission struct {
	verb Verb // "*" for everything
	kind Kind
	glob string // "" and "*" mean whatever the name
}

func (p permission) String() string {
	switch {
	case p.verb == everything:
		return everything
	case p.glob == "":
		return string(p.verb) + ":" + string(p.kind)
	}
	return string(p.verb) + ":" + string(p.kind) + ":" + p.glob
}

// ofTenant reports whether p means another thing to each tenant.
func (p permission) ofTenant() bool { return strings.Contains(p.glob, tenantMark) }

// forTenant returns p for the members of a tenant. It is not ok for a tenant
// whose name could reach beyond its part of a URI.
func (p permission) forTenant(tenant string) (_ permission, ok bool) {
	if !p.ofTenant() {
		return p, true
	}
	if tenant == "" || strings.Trim(tenant, ".") == "" || strings.ContainsFunc(tenant, notInTenant) {
		return p, false
	}
	p.glob = strings.ReplaceAll(p.glob, tenantMark, tenant)
	return p, true
}

// notInTenant reports whether r is reserved in URIs (RFC 3986, section 2.3).
func notInTenant(r rune) bool {
	return r > unicode.MaxASCII || (!unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~", r))
}

// parsePermission reads a permission over the kinds of the protocol and own ones.
func parsePermission(text string, own []Kind) (permission, error) {
	if text == everything {
		return permission{verb: everything}, nil
	}
	fail := func(format string, args ...any) (permission, error) {
		return permission{}, fmt.Errorf("permission %s: %w", quoted(text), fmt.Errorf(format, args...))
	}
	parts := strings.SplitN(text, ":", 3)
	if len(parts) < 2 {
		return fail("not of the form verb:kind or verb:kind:glob")
	}
	p := permission{verb: Verb(parts[0]), kind: Kind(parts[1])}
	verbs, known := verbsOf[p.kind]
	if !known && slices.Contains(own, p.kind) {
		verbs, known = allVerbs, true
	}
	switch {
	case !slices.Contains(allVerbs, p.verb):
		return fail("no such verb; there are %q", allVerbs)
	case !known:
		return fail("no such kind; there are %q, and own ones if declared", []Kind{Access, Methods, Prompts, Resources, Tools})
	case !slices.Contains(verbs, p.verb):
		return fail("things of this kind know %q only", verbs)
	}
	if len(parts) == 2 {
		return p, nil
	}
	if err := checkGlob(parts[2]); err != nil {
		return fail("%w", err)
	}
	p.glob = parts[2]
	return p, nil
}

func checkGlob(glob string) error {
	switch {
	case glob == "":
		return errors.New("nothing after the second colon; leave it out to mean all")
	case len(glob) > maxPermission:
		return fmt.Errorf("longer than %d bytes", maxPermission)
	case strings.ContainsFunc(glob, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }):
		return errors.New("blanks and control characters are not allowed")
	case strings.ContainsAny(strings.ReplaceAll(glob, tenantMark, ""), "<>"):
		return errors.New("the only mark in angle brackets is " + tenantMark)
	}
	return nil
}

// quoted is text for an error, bounded.
func quoted(text string) string {
	const most = 120
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}

// checkKinds returns what is wrong with a policy's own kinds.
func checkKinds(own []Kind) error {
	var mistakes []error
	for _, k := range own {
		_, taken := verbsOf[k]
		switch {
		case k == "" || strings.Trim(string(k), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "":
			mistakes = append(mistakes, fmt.Errorf("kind %s: only a-z, 0-9, '_' and '-' are allowed", quoted(string(k))))
		case taken:
			mistakes = append(mistakes, fmt.Errorf("kind %q: every policy has it", k))
		}
	}
	return errors.Join(mistakes...)
}
