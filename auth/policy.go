package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/trestle-mcp/trestle/internal/challenge"
)

// A PolicySpec says who may do what. What nobody grants is denied.
//
// A permission is verb:kind, or verb:kind:glob for some names only: with
// "execute:tools:db.*" one may call the tools whose names start with "db.".
// "*" alone is every permission. In a glob '*' stands for any run of
// characters, whichever they are; all else is compared to the letter. A
// resource's name is its whole URI, as it was sent: "read:resources:notes://a/*".
// "<tenant>" in a glob is the caller's tenant, and grants nothing to a caller
// without one.
type PolicySpec struct {
	// Roles maps the roles of a [Principal] to permissions, Scopes its scopes.
	// Whoever has several has the permissions of all.
	Roles, Scopes map[string][]string
	// Authenticated is what every known caller may do.
	Authenticated []string
	// Anonymous is what callers may do of whom nothing is known.
	Anonymous []string
	// Local is what [Local] may do, the process that talks over stdio: usually
	// "*" or nothing.
	Local []string
	// Kinds are names for permissions of your own, such as "invoices", which
	// [Policy.Check] asks for.
	Kinds []Kind
	// Hooks may deny what the rest allows. See [Hook].
	Hooks []Hook
}

// A Hook is asked about what is allowed otherwise, also for each item of a list
// and at the same time for many callers. An error or a panic denies, and hides
// the thing; the error's text is for the log. who is nil for anonymous callers.
type Hook func(ctx context.Context, who *Principal, a Action) error

// A Policy decides. It is safe for concurrent use. A nil Policy denies all.
type Policy struct {
	current atomic.Pointer[snapshot]
	watch   *policyWatch // nil unless it follows a file
	refused refusedCalls
}

// NewPolicy returns a policy, or every mistake in spec, which it copies.
func NewPolicy(spec PolicySpec) (*Policy, error) {
	p := new(Policy)
	if err := p.Replace(spec); err != nil {
		return nil, err
	}
	return p, nil
}

// Replace makes p decide by spec from now on. With mistakes in spec, which the
// error holds all, it decides as before.
func (p *Policy) Replace(spec PolicySpec) error {
	s, err := compile(spec)
	if err != nil {
		return fmt.Errorf("auth: policy: %w", err)
	}
	p.current.Store(s)
	return nil
}

// Close ends following a file; the policy goes on deciding. It returns nil.
func (p *Policy) Close() error {
	if p.watch != nil {
		p.watch.close()
	}
	return nil
}

// A reader collects the permissions of a spec, and its mistakes.
type reader struct {
	own      []Kind
	mistakes []error
}

func (r *reader) list(where string, texts []string) []permission {
	list := make([]permission, 0, len(texts))
	for _, text := range texts {
		p, err := parsePermission(text, r.own)
		if err != nil {
			r.mistakes = append(r.mistakes, fmt.Errorf("%s: %w", where, err))
			continue
		}
		list = append(list, p)
	}
	return list
}

// named reads the permissions of roles or scopes, in the order of their names
// for the mistakes' sake.
func (r *reader) named(what string, texts map[string][]string, valid func(string) bool) map[string][]permission {
	lists := make(map[string][]permission, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		where := what + " " + quoted(name)
		if !valid(name) {
			r.mistakes = append(r.mistakes, fmt.Errorf("%s: not a name of one", where))
		}
		lists[name] = r.list(where, texts[name])
	}
	return lists
}

func compile(spec PolicySpec) (*snapshot, error) {
	r := &reader{own: spec.Kinds}
	if err := checkKinds(spec.Kinds); err != nil {
		r.mistakes = append(r.mistakes, err)
	}
	if slices.ContainsFunc(spec.Hooks, func(h Hook) bool { return h == nil }) {
		r.mistakes = append(r.mistakes, errors.New("hooks: one is nil"))
	}
	s := &snapshot{
		roles:         r.named("role", spec.Roles, func(name string) bool { return name != "" }),
		scopes:        r.named("scope", spec.Scopes, challenge.ValidScope),
		authenticated: r.list("authenticated", spec.Authenticated),
		anonymous:     r.list("anonymous", spec.Anonymous),
		local:         r.list("local", spec.Local),
		kinds:         slices.Clone(spec.Kinds),
		hooks:         slices.Clone(spec.Hooks),
	}
	if err := errors.Join(r.mistakes...); err != nil {
		return nil, err
	}
	s.prepare()
	return s, nil
}
