package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/challenge"
)

// An Action is what somebody wants to do: "execute the tool purge".
type Action struct {
	Verb Verb
	Kind Kind
	// Name is a tool's, a prompt's or a method's name, or a URI. "" asks for
	// permission whatever the name.
	Name string
	// Need is what the thing itself asks for beyond permission to act on it.
	// Nil means nothing.
	Need *Need
}

// String returns the action as the permission that allows just it.
func (a Action) String() string {
	return permission{a.Verb, a.Kind, a.Name}.String()
}

// A Need is what one tool, prompt or resource asks of its callers. It is not
// changed after it was made; share it freely.
type Need struct {
	permissions []permission
	scopes      []string
}

// NewNeed returns a need of permissions and scopes, all of them, or nil where
// there are none; or every mistake. A permission with a glob is needed for all
// that the glob matches: "write:resources:notes/*" is held by who was granted
// just that, or "write:resources:n*", or more.
//
// Scopes are needed in the token, however the permissions are held. [Local] has
// no token and is not asked for scopes.
func (p *Policy) NewNeed(permissions, scopes []string) (*Need, error) {
	if len(permissions)+len(scopes) == 0 {
		return nil, nil //nolint:nilnil // no need is nil
	}
	if p == nil {
		return nil, errors.New("permissions or scopes are required, but there is no policy to ask")
	}
	r := &reader{own: p.current.Load().kinds}
	n := &Need{permissions: r.list("required", permissions), scopes: slices.Clone(scopes)}
	for _, perm := range n.permissions {
		if perm.ofTenant() || perm.verb == everything {
			r.mistakes = append(r.mistakes, fmt.Errorf("required: permission %q: can be granted, not required", perm))
		}
	}
	for _, scope := range scopes {
		if !challenge.ValidScope(scope) {
			r.mistakes = append(r.mistakes, fmt.Errorf("required: scope %s: not a name of one", quoted(scope)))
		}
	}
	return n, errors.Join(r.mistakes...)
}

// An outcome is how a decision ends.
type outcome uint8

const (
	denied     outcome = iota // and nothing the caller could ask for would help
	needScopes                // a token with more scopes would be let through
	allowed
)

// A Decision is the answer to who may do what. The zero value denies.
type Decision struct {
	outcome outcome
	listed  bool
	policy  *snapshot
	who     *Principal
	action  Action
	hook    error // what a hook said against it
}

// Allowed reports whether it may be done.
func (d Decision) Allowed() bool { return d.outcome == allowed }

// Hidden reports whether the caller is to learn nothing, not even that there is
// something to ask more rights for: what is neither allowed nor lacks only
// scopes. Answer it like what does not exist.
func (d Decision) Hidden() bool { return d.outcome == denied }

// Listed reports whether lists show the thing: what is allowed, and what is
// permitted but for scopes that it needs, since a client that does not see it
// could not ask for them.
func (d Decision) Listed() bool { return d.listed }

// Decide says whether who, nil for an anonymous caller, may do a. It does not
// allocate, and takes as long for many rules as for few; hooks take what they
// take.
//
// A denial depends on what is asked for and on the policy, never on whether
// there is such a thing: asking tells nothing about what is hidden.
func (p *Policy) Decide(ctx context.Context, who *Principal, a Action) Decision {
	if p == nil {
		return Decision{}
	}
	s := p.current.Load()
	d := Decision{policy: s, who: who, action: a}
	held, offered := s.grantsOf(who)
	d.outcome, d.listed = judge(held, offered, &d.action, who)
	if len(s.hooks) == 0 || d.outcome == denied {
		return d
	}
	if d.hook = s.ask(ctx, who, a); d.hook != nil {
		d.outcome, d.listed = denied, false
	}
	return d
}

// Check is Decide for a handler that knows what it is about only by its
// arguments. It returns nil or an error with code authorization, with all scopes
// that are needed if scopes would help.
func (p *Policy) Check(ctx context.Context, a Action) error {
	who, _ := PrincipalFrom(ctx)
	return p.Decide(ctx, who, a).Err()
}

// grantsOf returns what who may do, and what scopes could add.
func (s *snapshot) grantsOf(who *Principal) (held, offered *grants) {
	switch {
	case who == nil:
		return s.nobody, &noGrants
	case isLocal(who):
		return s.parent, &noGrants
	}
	c := s.standingOf(who)
	return c.held, c.offered
}

var noGrants grants

func isLocal(p *Principal) bool { return p.Issuer == localName && p.Subject == localName }

func judge(held, offered *grants, a *Action, who *Principal) (_ outcome, listed bool) {
	o := allowed
	listed = held.cover(a.Verb, a.Kind, a.Name)
	if !listed {
		if !offered.cover(a.Verb, a.Kind, a.Name) {
			return denied, false
		}
		o = needScopes
	}
	if a.Need == nil {
		return o, listed
	}
	for i := range a.Need.permissions {
		p := &a.Need.permissions[i]
		if held.cover(p.verb, p.kind, p.glob) {
			continue
		}
		if !offered.cover(p.verb, p.kind, p.glob) {
			return denied, false
		}
		o = needScopes
	}
	if len(a.Need.scopes) == 0 || (who != nil && isLocal(who)) {
		return o, listed
	}
	for _, scope := range a.Need.scopes {
		switch {
		case who == nil:
			return denied, false // has no token to ask more for
		case !who.HasScope(scope):
			o = needScopes
		}
	}
	return o, listed
}

// ask runs the hooks until one objects.
func (s *snapshot) ask(ctx context.Context, who *Principal, a Action) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("a hook panicked: %v", v)
		}
	}()
	for _, hook := range s.hooks {
		if err := hook(ctx, who, a); err != nil {
			return err
		}
	}
	return nil
}

// Err returns nil if the decision allows, or an error with code authorization
// and, if it lacks only scopes, all of them. Its cause is the explanation.
func (d Decision) Err() error {
	switch d.outcome {
	case allowed:
		return nil
	case needScopes:
		return &mcperrors.Error{
			Code: mcperrors.Authorization, Message: "the token lacks a scope", Scopes: d.Scopes(), Cause: &deniedError{d},
		}
	case denied:
	}
	return &mcperrors.Error{Code: mcperrors.Authorization, Message: "not permitted", Cause: &deniedError{d}}
}

// Scopes returns all scopes that a token needs for the action, held or not, if
// only scopes are missing; else nil. Where one of several would do it is the
// narrowest.
func (d Decision) Scopes() []string {
	if d.outcome != needScopes {
		return nil
	}
	var scopes []string
	add := func(scope string) {
		if scope != "" && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	held := d.policy.grantsWithoutScopes(d.who)
	for _, p := range d.action.permissions() {
		if !held.cover(p.verb, p.kind, p.glob) {
			add(d.policy.scopeFor(d.who, p))
		}
	}
	if d.action.Need != nil {
		for _, scope := range d.action.Need.scopes {
			add(scope)
		}
	}
	return scopes
}

// permissions are all that the action takes.
func (a Action) permissions() []permission {
	list := []permission{{a.Verb, a.Kind, a.Name}}
	if a.Need != nil {
		list = append(list, a.Need.permissions...)
	}
	return list
}

// grantsWithoutScopes returns what who holds whatever the token says.
func (s *snapshot) grantsWithoutScopes(who *Principal) *grants {
	list := slices.Clone(s.authenticated)
	for _, role := range who.Roles {
		list = append(list, s.roles[role]...)
	}
	return newGrants(list, who.Tenant)
}

// scopeFor returns the scope that who needs for p: one that the token has, or
// else the narrowest.
func (s *snapshot) scopeFor(who *Principal, p permission) (scope string) {
	for _, name := range s.offers {
		if !newGrants(s.scopes[name], who.Tenant).cover(p.verb, p.kind, p.glob) {
			continue
		}
		if who.HasScope(name) {
			return name
		}
		if scope == "" {
			scope = name
		}
	}
	return scope
}
