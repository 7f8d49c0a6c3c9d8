package auth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trestle-mcp/trestle/auth"
	mcperrors "github.com/trestle-mcp/trestle/errors"
)

func newPolicy(tb testing.TB, spec auth.PolicySpec) *auth.Policy {
	tb.Helper()
	p, err := auth.NewPolicy(spec)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func known(roles, scopes []string) *auth.Principal {
	return &auth.Principal{Issuer: "https://i", Subject: "ann", Roles: roles, Scopes: scopes}
}

func do(verb auth.Verb, kind auth.Kind, name string) auth.Action {
	return auth.Action{Verb: verb, Kind: kind, Name: name}
}

func TestPolicy_GrantsWhatItsPermissionsMatchAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		permission string
		action     auth.Action
		allowed    bool
	}{
		{"*", do(auth.Admin, auth.Access, ""), true},
		{"*", do(auth.Execute, auth.Tools, "x"), true},
		{"execute:tools", do(auth.Execute, auth.Tools, "x"), true},
		{"execute:tools:*", do(auth.Execute, auth.Tools, "x"), true},
		{"execute:tools", do(auth.Read, auth.Prompts, "x"), false},
		{"execute:tools:x", do(auth.Execute, auth.Tools, "x"), true},
		{"execute:tools:x", do(auth.Execute, auth.Tools, "xy"), false},
		{"execute:tools:x", do(auth.Execute, auth.Tools, ""), false},
		{"execute:tools:x", do(auth.Execute, auth.Methods, "x"), false},
		{"execute:tools:db.*", do(auth.Execute, auth.Tools, "db.read"), true},
		{"execute:tools:db.*", do(auth.Execute, auth.Tools, "db."), true},
		{"execute:tools:db.*", do(auth.Execute, auth.Tools, "db"), false},
		{"execute:tools:db.*", do(auth.Execute, auth.Tools, "DB.read"), false},
		{"execute:tools:db.*", do(auth.Execute, auth.Tools, "xdb.read"), false},
		{"execute:tools:*.read", do(auth.Execute, auth.Tools, "db.read"), true},
		{"execute:tools:*.read", do(auth.Execute, auth.Tools, "db.read.all"), false},
		{"execute:tools:a*b*c", do(auth.Execute, auth.Tools, "a1b2c"), true},
		{"execute:tools:a*b*c", do(auth.Execute, auth.Tools, "abc"), true},
		{"execute:tools:a*b*c", do(auth.Execute, auth.Tools, "acb"), false},
		{"execute:tools:a*a", do(auth.Execute, auth.Tools, "a"), false},
		{"execute:tools:*x*x*", do(auth.Execute, auth.Tools, "x"), false},
		{"execute:tools:**", do(auth.Execute, auth.Tools, ""), true},
		{"execute:tools:?", do(auth.Execute, auth.Tools, "x"), false},
		{"execute:tools:[x]", do(auth.Execute, auth.Tools, "x"), false},
		{"read:resources:notes://a/*", do(auth.Read, auth.Resources, "notes://a/b/c?d#e"), true},
		{"read:resources:notes://a/*", do(auth.Read, auth.Resources, "notes://A/b"), false},
		{"read:resources:notes://a/*", do(auth.Read, auth.Resources, "NOTES://a/b"), false},
		{"read:resources:notes://a/*", do(auth.Read, auth.Resources, "notes://a"), false},
		{"read:resources:notes://a/*", do(auth.Read, auth.Resources, "notes://%61/b"), false},
		{"read:resources:notes://a/*", do(auth.Read, auth.Resources, "notes:///a/b"), false},
		{"read:resources:notes://a/*", do(auth.Read, auth.Resources, "notes://./a/b"), false},
		{"read:resources:notes://a/b", do(auth.Read, auth.Resources, "notes://a/b/"), false},
		{"read:resources:notes://a/b", do(auth.Write, auth.Resources, "notes://a/b"), false},
		{"write:resources:notes/*", do(auth.Write, auth.Resources, "notes/*"), true},
		{"write:resources:n*", do(auth.Write, auth.Resources, "notes/*"), true},
		{"write:resources:notes/a*", do(auth.Write, auth.Resources, "notes/*"), false},
		{"admin:access", do(auth.Admin, auth.Access, ""), true},
		{"admin:access:billing", do(auth.Admin, auth.Access, ""), false},
	} {
		p := newPolicy(t, auth.PolicySpec{Roles: map[string][]string{"r": {c.permission}, "other": {"*"}}})
		d := p.Decide(t.Context(), known([]string{"r"}, nil), c.action)
		if d.Allowed() != c.allowed || d.Listed() != c.allowed {
			t.Errorf("%s for %s: allowed %t, listed %t: %s", c.permission, c.action, d.Allowed(), d.Listed(), d.Explain())
		}
	}
}

func TestPolicy_DeniesByDefault(t *testing.T) {
	full := newPolicy(t, auth.PolicySpec{Roles: map[string][]string{"admin": {"*"}}})
	empty := newPolicy(t, auth.PolicySpec{})
	admin := known([]string{"admin"}, nil)
	for name, d := range map[string]auth.Decision{
		"the zero decision":     {},
		"a nil policy":          (*auth.Policy)(nil).Decide(t.Context(), admin, do(auth.Execute, auth.Tools, "x")),
		"an empty policy":       empty.Decide(t.Context(), admin, do(auth.Execute, auth.Tools, "x")),
		"an anonymous caller":   full.Decide(t.Context(), nil, do(auth.Execute, auth.Tools, "x")),
		"the local caller":      full.Decide(t.Context(), auth.Local(), do(auth.Execute, auth.Tools, "x")),
		"no role":               full.Decide(t.Context(), known(nil, nil), do(auth.Execute, auth.Tools, "x")),
		"a role in other case":  full.Decide(t.Context(), known([]string{"Admin"}, nil), do(auth.Execute, auth.Tools, "x")),
		"a scope like the role": full.Decide(t.Context(), known(nil, []string{"admin"}), do(auth.Execute, auth.Tools, "x")),
	} {
		if d.Allowed() || d.Listed() || mcperrors.CodeOf(d.Err()) != mcperrors.Authorization || d.Scopes() != nil {
			t.Errorf("%s: %s", name, d.Explain())
		}
		if !strings.HasPrefix(d.Explain(), "denied: ") {
			t.Errorf("%s: %s", name, d.Explain())
		}
	}
}

func TestPolicy_AnonymousLocalAndAuthenticatedHaveTheirOwn(t *testing.T) {
	p := newPolicy(t, auth.PolicySpec{
		Anonymous: []string{"execute:tools:a"}, Local: []string{"execute:tools:l"}, Authenticated: []string{"execute:tools:k"},
	})
	for tool, may := range map[string]*auth.Principal{"a": nil, "l": auth.Local(), "k": known(nil, nil)} {
		for _, who := range []*auth.Principal{nil, auth.Local(), known(nil, nil)} {
			d := p.Decide(t.Context(), who, do(auth.Execute, auth.Tools, tool))
			if want := (who == nil) == (may == nil) && who.Key() == may.Key(); d.Allowed() != want {
				t.Errorf("%s: %s", tool, d.Explain())
			}
		}
	}
}

func TestPolicy_TheTenantOfTheCallerStandsInGlobs(t *testing.T) {
	p := newPolicy(t, auth.PolicySpec{
		Roles:  map[string][]string{"member": {"read:resources:notes://<tenant>/*"}},
		Scopes: map[string][]string{"w": {"write:resources:notes://<tenant>/*"}},
	})
	for _, c := range []struct {
		tenant, uri string
		allowed     bool
	}{
		{"acme", "notes://acme/1", true},
		{"acme", "notes://zeta/1", false},
		{"zeta", "notes://zeta/1", true},
		{"zeta", "notes://acme/1", false},
		{"", "notes:///1", false},
		{"", "notes://<tenant>/1", false},
		{"*", "notes://acme/1", false},
		{"a/b", "notes://a/b/1", false},
		{"..", "notes://../1", false},
		{"é", "notes://é/1", false},
	} {
		who := known([]string{"member"}, nil)
		who.Tenant = c.tenant
		if d := p.Decide(t.Context(), who, do(auth.Read, auth.Resources, c.uri)); d.Allowed() != c.allowed {
			t.Errorf("%q: %s", c.tenant, d.Explain())
		}
		d := p.Decide(t.Context(), who, do(auth.Write, auth.Resources, c.uri))
		if got := len(d.Scopes()) == 1; got != c.allowed {
			t.Errorf("%q: %s", c.tenant, d.Explain())
		}
	}
}

func TestThreat30_AMissingScopeIsNamedWithAllThatAreNeeded(t *testing.T) {
	p := newPolicy(t, auth.PolicySpec{
		Roles: map[string][]string{"writer": {"execute:tools:notes.*", "admin:access"}},
		Scopes: map[string][]string{
			"all":         {"*"},
			"notes":       {"execute:tools"},
			"notes:write": {"execute:tools:notes.*"},
			"power":       {"admin:access"},
		},
	})
	need, err := p.NewNeed([]string{"admin:access"}, []string{"mfa", "notes:write"})
	if err != nil {
		t.Fatal(err)
	}
	plain := do(auth.Execute, auth.Tools, "notes.add")
	demanding := plain
	demanding.Need = need
	for _, c := range []struct {
		who    *auth.Principal
		action auth.Action
		listed bool
		scopes string
	}{
		{known(nil, nil), plain, false, "[notes:write]"},
		{known(nil, []string{"power"}), plain, false, "[notes:write]"},
		{known(nil, nil), do(auth.Execute, auth.Tools, "x"), false, "[notes]"},
		{known(nil, nil), do(auth.Read, auth.Prompts, "x"), false, "[all]"},
		{known(nil, nil), demanding, false, "[notes:write power mfa]"},
		{known(nil, []string{"notes"}), demanding, true, "[notes power mfa notes:write]"},
		{known([]string{"writer"}, nil), demanding, true, "[mfa notes:write]"},
		{known([]string{"writer"}, []string{"mfa"}), demanding, true, "[mfa notes:write]"},
	} {
		d := p.Decide(t.Context(), c.who, c.action)
		e := mcperrors.From(d.Err())
		if d.Allowed() || d.Listed() != c.listed || fmt.Sprint(d.Scopes()) != c.scopes {
			t.Errorf("listed %t, scopes %v, want %s: %s", d.Listed(), d.Scopes(), c.scopes, d.Explain())
			continue
		}
		if e.Code != mcperrors.Authorization || !slices.Equal(e.Scopes, d.Scopes()) {
			t.Errorf("%+v", e)
		}
		// What a caller is told to get is enough.
		more := known(c.who.Roles, append(slices.Clone(c.who.Scopes), d.Scopes()...))
		if d := p.Decide(t.Context(), more, c.action); !d.Allowed() || d.Err() != nil {
			t.Errorf("not enough: %s", d.Explain())
		}
	}
}

func TestThreat30_AMissingRoleHasNoScopes(t *testing.T) {
	p := newPolicy(t, auth.PolicySpec{
		Roles:         map[string][]string{"admin": {"*"}},
		Authenticated: []string{"execute:tools"},
		Scopes:        map[string][]string{"s": {"read:prompts"}},
	})
	need, err := p.NewNeed([]string{"admin:access"}, []string{"s"})
	if err != nil {
		t.Fatal(err)
	}
	a := do(auth.Execute, auth.Tools, "purge")
	a.Need = need
	d := p.Decide(t.Context(), known(nil, nil), a)
	if e := mcperrors.From(d.Err()); d.Listed() || e.Code != mcperrors.Authorization || e.Scopes != nil {
		t.Errorf("%+v", e)
	}
	if d := p.Decide(t.Context(), known([]string{"admin"}, []string{"s"}), a); !d.Allowed() {
		t.Error(d.Explain())
	}
	ctx := auth.WithPrincipal(t.Context(), known(nil, nil))
	if e := mcperrors.From(p.Check(ctx, do(auth.Admin, auth.Access, ""))); e == nil || e.Scopes != nil || e.Code != mcperrors.Authorization {
		t.Errorf("%+v", e)
	}
}

func TestPolicy_TheLocalCallerIsNotAskedForScopesAndAnonymousOnesHaveNone(t *testing.T) {
	p := newPolicy(t, auth.PolicySpec{Local: []string{"*"}, Anonymous: []string{"*"}})
	need, err := p.NewNeed(nil, []string{"s"})
	if err != nil {
		t.Fatal(err)
	}
	a := do(auth.Execute, auth.Tools, "x")
	a.Need = need
	if d := p.Decide(t.Context(), auth.Local(), a); !d.Allowed() {
		t.Error(d.Explain())
	}
	if d := p.Decide(t.Context(), nil, a); d.Allowed() || d.Listed() || d.Scopes() != nil {
		t.Error(d.Explain())
	}
}

func TestPolicy_HooksMayOnlyNarrow(t *testing.T) {
	asked := 0
	p := newPolicy(t, auth.PolicySpec{
		Authenticated: []string{"execute:tools"},
		Scopes:        map[string][]string{"s": {"read:prompts"}},
		Hooks: []auth.Hook{
			func(context.Context, *auth.Principal, auth.Action) error { asked++; return nil },
			func(_ context.Context, _ *auth.Principal, a auth.Action) error {
				switch a.Name {
				case "closed":
					return errors.New("it is night")
				case "broken":
					panic("oops")
				}
				return nil
			},
		},
	})
	for name, allowed := range map[string]bool{"open": true, "closed": false, "broken": false} {
		d := p.Decide(t.Context(), known(nil, nil), do(auth.Execute, auth.Tools, name))
		if d.Allowed() != allowed || d.Listed() != allowed || d.Scopes() != nil {
			t.Errorf("%s: %s", name, d.Explain())
		}
	}
	before := asked
	if d := p.Decide(t.Context(), known(nil, nil), do(auth.Read, auth.Resources, "x:y")); d.Allowed() || asked != before {
		t.Error("a hook was asked about what is denied, and could not allow it")
	}
	d := p.Decide(t.Context(), known(nil, nil), do(auth.Execute, auth.Tools, "closed"))
	if !strings.Contains(d.Explain(), "it is night") || strings.Contains(d.Err().Error(), "night") {
		t.Errorf("%s; %v", d.Explain(), d.Err())
	}
}

func TestPolicy_ExplainsItself(t *testing.T) {
	p := newPolicy(t, auth.PolicySpec{
		Roles:  map[string][]string{"dba": {"execute:tools:db.*"}},
		Scopes: map[string][]string{"power": {"admin:access"}},
	})
	need, err := p.NewNeed([]string{"admin:access"}, []string{"mfa"})
	if err != nil {
		t.Fatal(err)
	}
	a := do(auth.Execute, auth.Tools, "db.drop")
	who := known([]string{"x", "dba"}, nil)
	who.Tenant = "acme"
	for want, d := range map[string]auth.Decision{
		`allowed: "ann" of "https://i", tenant "acme", wants execute:tools:db.drop: granted as execute:tools:db.* by role "dba"`: p.Decide(t.Context(), who, a),
		`denied: anonymous wants execute:tools:db.drop: nothing grants it`:                                                       p.Decide(t.Context(), nil, a),
		`denied for lack of scopes, ["power" "mfa"] would do: "ann" of "https://i", tenant "acme", wants execute:tools:db.drop` +
			`: granted as execute:tools:db.* by role "dba", which needs admin:access: nothing grants it, which needs the scopes ["mfa"]`: p.Decide(t.Context(), who, auth.Action{Verb: a.Verb, Kind: a.Kind, Name: a.Name, Need: need}),
	} {
		if got := d.Explain(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	hostile := do(auth.Execute, auth.Tools, "a\nb"+strings.Repeat("x", 1<<20))
	if got := p.Decide(t.Context(), who, hostile).Explain(); strings.Contains(got, "\n") || len(got) > 1<<10 {
		t.Errorf("%d bytes: %.200q", len(got), got)
	}
}

func TestNewPolicy_ReturnsEveryMistake(t *testing.T) {
	_, err := auth.NewPolicy(auth.PolicySpec{
		Roles: map[string][]string{
			"": {"execute:tools"},
			"r": {
				"", "tools", "execute", "run:tools", "execute:tool", "Execute:tools", "read:tools", "execute:tools:", "*:tools",
				"execute:tools:a b", "execute:tools:a\x00", "execute:tools:<user>", "execute:tools:" + strings.Repeat("x", 2000), "read:invoices",
			},
		},
		Scopes:        map[string][]string{"a b": nil, "s": {"write:prompts"}},
		Anonymous:     []string{"one"},
		Local:         []string{"two"},
		Authenticated: []string{"three"},
		Kinds:         []auth.Kind{"tools", "Big", ""},
		Hooks:         []auth.Hook{nil},
	})
	if err == nil {
		t.Fatal("no mistake was found")
	}
	text := err.Error()
	for _, want := range []string{
		`role ""`, `permission ""`, `permission "tools"`, `permission "execute"`, `"run:tools": no such verb`, `"execute:tool": no such kind`,
		`"Execute:tools": no such verb`, `"read:tools": things of this kind know ["execute"] only`, `"execute:tools:": nothing after`,
		`"*:tools": no such verb`, `"execute:tools:a b": blanks`, `"execute:tools:a\x00": blanks`, `angle brackets`, `longer than 1024`,
		`"read:invoices": no such kind`, `scope "a b"`, `"write:prompts"`, `anonymous: permission "one"`, `local: permission "two"`,
		`authenticated: permission "three"`, `kind "tools": every policy has it`, `kind "Big"`, `kind ""`, `hooks: one is nil`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if len(text) > 8<<10 {
		t.Errorf("%d bytes", len(text))
	}
}

func TestNewPolicy_KeepsNothingOfTheSpec(t *testing.T) {
	spec := auth.PolicySpec{Authenticated: []string{"execute:tools:a"}, Roles: map[string][]string{"r": {"execute:tools:b"}}}
	p := newPolicy(t, spec)
	spec.Authenticated[0], spec.Roles["r"][0] = "*", "*"
	if p.Decide(t.Context(), known([]string{"r"}, nil), do(auth.Execute, auth.Tools, "c")).Allowed() {
		t.Error("it changed with the spec")
	}
}

func TestPolicy_NeedsAreCheckedAndKindsAreThePolicysOwn(t *testing.T) {
	p := newPolicy(t, auth.PolicySpec{Kinds: []auth.Kind{"invoices"}, Authenticated: []string{"write:invoices:2026/*"}})
	if d := p.Decide(t.Context(), known(nil, nil), do(auth.Write, "invoices", "2026/7")); !d.Allowed() {
		t.Error(d.Explain())
	}
	if _, err := p.NewNeed([]string{"read:invoices", "*", "execute:tools:<tenant>", "x"}, []string{"a b"}); err == nil ||
		strings.Contains(err.Error(), "invoices\":") || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v", err)
	}
	for _, p := range []*auth.Policy{p, nil} {
		if n, err := p.NewNeed(nil, nil); n != nil || err != nil {
			t.Errorf("got %v, %v", n, err)
		}
	}
	if _, err := (*auth.Policy)(nil).NewNeed(nil, []string{"s"}); err == nil {
		t.Error("a need that nobody would ask for")
	}
}

func TestPolicy_AnswersTheSameWhileItIsReplacedAndFull(t *testing.T) {
	specs := []auth.PolicySpec{
		{Roles: map[string][]string{"even": {"execute:tools:a"}}},
		{Roles: map[string][]string{"even": {"execute:tools:a", "execute:tools:b*"}}},
	}
	p := newPolicy(t, specs[0])
	stop := make(chan struct{})
	var replacing, asking sync.WaitGroup
	replacing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := p.Replace(specs[i%2]); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 4 {
		asking.Go(func() {
			for i := range 5000 { // more standings than are kept
				roles := []string{fmt.Sprint(i), []string{"even", "odds"}[i%2]}
				if got := p.Decide(t.Context(), known(roles, nil), do(auth.Execute, auth.Tools, "a")).Allowed(); got != (i%2 == 0) {
					t.Errorf("%d: %t", i, got)
				}
			}
		})
	}
	asking.Wait()
	close(stop)
	replacing.Wait()
	if err := p.Replace(auth.PolicySpec{Local: []string{"x"}}); err == nil {
		t.Error("a mistake was taken")
	}
	if !p.Decide(t.Context(), known([]string{"even"}, nil), do(auth.Execute, auth.Tools, "a")).Allowed() {
		t.Error("the last good policy is gone")
	}
}

// thousandRules are spread over roles of which the caller has all, exact ones
// and globs of many prefixes.
func thousandRules(tb testing.TB) (*auth.Policy, *auth.Principal) {
	tb.Helper()
	spec := auth.PolicySpec{Roles: map[string][]string{}, Scopes: map[string][]string{"s": {"read:prompts"}}}
	var roles []string
	for role := range 4 {
		name := fmt.Sprintf("role%d", role)
		roles = append(roles, name)
		for i := range 125 {
			spec.Roles[name] = append(spec.Roles[name],
				fmt.Sprintf("execute:tools:tool-%d-%d", role, i), fmt.Sprintf("execute:tools:group-%d-%d.*", role, i))
		}
	}
	return newPolicy(tb, spec), known(roles, []string{"openid", "s"})
}

var ruleCases = map[string]bool{
	"tool-3-124": true, "group-2-99.read": true, "group-2-99": false, "no-such-tool": false,
}

func TestPolicy_DecidesWithoutAllocating(t *testing.T) {
	p, who := thousandRules(t)
	ctx := t.Context()
	for name, want := range ruleCases {
		var got bool
		if n := testing.AllocsPerRun(100, func() { got = p.Decide(ctx, who, do(auth.Execute, auth.Tools, name)).Allowed() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// BenchmarkPolicy_Decide has a unit to compare with: one lookup in a map of a
// thousand names.
func BenchmarkPolicy_Decide(b *testing.B) {
	b.Run("one lookup", func(b *testing.B) {
		names := map[string]bool{}
		for i := range 1000 {
			names[fmt.Sprintf("tool-%d-%d", i%4, i/4)] = true
		}
		for b.Loop() {
			_ = names["tool-3-124"]
		}
	})
	p, who := thousandRules(b)
	for name := range ruleCases {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(ctx, who, do(auth.Execute, auth.Tools, name))
			}
		})
	}
}

// BenchmarkPolicy_DecideCold is about 250 callers whose rights differ, each by a
// thousand rules: what they may do is in no cache when they come again.
func BenchmarkPolicy_DecideCold(b *testing.B) {
	p, who := thousandRules(b)
	callers := make([]*auth.Principal, 250)
	for i := range callers {
		callers[i] = known(append(slices.Clone(who.Roles), fmt.Sprintf("other%d", i)), who.Scopes)
		p.Decide(b.Context(), callers[i], do(auth.Execute, auth.Tools, "")) // compiles
	}
	names := slices.Sorted(maps.Keys(ruleCases))
	rnd := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		n := rnd.Uint32()
		p.Decide(b.Context(), callers[n%250], do(auth.Execute, auth.Tools, names[n>>16%4]))
	}
}

// matches is the meaning of a glob, written down the slow way.
func matches(glob, text string) bool {
	switch {
	case glob == "":
		return text == ""
	case glob[0] == '*':
		return matches(glob[1:], text) || (text != "" && matches(glob, text[1:]))
	}
	return text != "" && text[0] == glob[0] && matches(glob[1:], text[1:])
}

func FuzzPolicy_Globs(f *testing.F) {
	f.Add("a*b*c", "a1b2c")
	f.Add("*x*x*", "xx")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, glob, text string) {
		if len(glob) > 12 || len(text) > 30 {
			return // the slow way is exponential
		}
		p, err := auth.NewPolicy(auth.PolicySpec{Anonymous: []string{"execute:tools:" + glob}})
		if err != nil {
			return
		}
		d := p.Decide(t.Context(), nil, do(auth.Execute, auth.Tools, text))
		if want := matches(glob, text); d.Allowed() != want && !strings.Contains(glob, "<tenant>") {
			t.Errorf("%q and %q: %t", glob, text, d.Allowed())
		}
		_ = d.Explain()
	})
}
