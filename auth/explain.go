package auth

import (
	"fmt"
	"strings"
)

// A deniedError is why somebody may not do something. It is the cause of the errors
// that refuse calls, so that the log has the reason and the caller has not.
type deniedError struct{ decision Decision }

// Error returns the explanation.
func (d *deniedError) Error() string { return d.decision.Explain() }

// Denied makes the error known to [Audit].
func (d *deniedError) Denied() string { return d.Error() }

// Explain says why, in one line for logs and tests. It takes longer than to
// decide, and is not for callers: it tells what the policy knows.
func (d Decision) Explain() string {
	if d.policy == nil {
		return "denied: there is no policy"
	}
	var b strings.Builder
	switch {
	case d.outcome == allowed:
		b.WriteString("allowed: ")
	case d.outcome == needScopes:
		fmt.Fprintf(&b, "denied for lack of scopes, %q would do: ", d.Scopes())
	case d.hook != nil:
		fmt.Fprintf(&b, "denied by a hook, %v: ", d.hook)
	default:
		b.WriteString("denied: ")
	}
	fmt.Fprintf(&b, "%s wants %s", whose(d.who), clipped(d.action.String()))
	for i, p := range d.action.permissions() {
		if i > 0 {
			fmt.Fprintf(&b, ", which needs %s", p)
		}
		b.WriteString(d.policy.source(d.who, p))
	}
	if d.action.Need != nil && len(d.action.Need.scopes) > 0 {
		fmt.Fprintf(&b, ", which needs the scopes %q", d.action.Need.scopes)
	}
	return b.String()
}

// source says who grants p.
func (s *snapshot) source(who *Principal, p permission) string {
	grantedBy := func(list []permission, tenant, format string, args ...any) string {
		for _, g := range list {
			if newGrants([]permission{g}, tenant).cover(p.verb, p.kind, p.glob) {
				return fmt.Sprintf(": granted as %s by "+format, append([]any{g}, args...)...)
			}
		}
		return ""
	}
	var found string
	switch {
	case who == nil:
		found = grantedBy(s.anonymous, "", "anonymous")
	case isLocal(who):
		found = grantedBy(s.local, "", "local")
	default:
		found = grantedBy(s.authenticated, who.Tenant, "authenticated")
		for _, role := range who.Roles {
			if found == "" {
				found = grantedBy(s.roles[role], who.Tenant, "role %s", quoted(role))
			}
		}
		for _, scope := range who.Scopes {
			if found == "" {
				found = grantedBy(s.scopes[scope], who.Tenant, "scope %s", quoted(scope))
			}
		}
	}
	if found == "" {
		return ": nothing grants it"
	}
	return found
}

// whose is the caller in an explanation.
func whose(p *Principal) string {
	switch {
	case p == nil:
		return "anonymous"
	case p.Tenant != "":
		return fmt.Sprintf("%s of %s, tenant %s,", quoted(p.Subject), quoted(p.Issuer), quoted(p.Tenant))
	}
	return fmt.Sprintf("%s of %s", quoted(p.Subject), quoted(p.Issuer))
}

func clipped(text string) string {
	q := quoted(text)
	return q[1 : len(q)-1]
}
