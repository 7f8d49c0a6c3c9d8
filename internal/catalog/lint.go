package catalog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Finding is something in a catalog that clients or models stumble over.
type Finding struct {
	Rule    string `json:"rule"`    // such as "tool-description"
	Subject string `json:"subject"` // such as `tool "add"`
	Problem string `json:"problem"` // what is wrong, and what is right
}

// String says the finding in one line.
func (f Finding) String() string { return f.Subject + ": " + f.Problem + " (" + f.Rule + ")" }

// The rules, as Finding.Rule names them.
const (
	RuleName        = "name"             // names that model providers refuse
	RuleAmbiguous   = "ambiguous-name"   // names that differ in case or punctuation only
	RuleDescription = "description"      // missing, or longer than providers take
	RuleArgument    = "argument"         // arguments without a description
	RuleSchema      = "schema"           // schemas that clients are known to refuse
	RuleAnnotations = "annotations"      // tools that sound destructive and do not say so
	RuleContradict  = "contradiction"    // annotations that cannot both be true
	RuleMany        = "many-tools"       // more tools than clients show a model
	RuleDeep        = "nested-arguments" // arguments too deep for a model to fill in
)

// Rules are all rules, in the order in which they are looked at.
func Rules() []string {
	return []string{
		RuleName, RuleAmbiguous, RuleDescription, RuleArgument, RuleSchema,
		RuleAnnotations, RuleContradict, RuleMany, RuleDeep,
	}
}

const (
	mostTools          = 128  // what OpenAI's API takes in one request
	longestDescription = 1024 // of a function, in OpenAI's API
	deepest            = 5    // levels of objects, in OpenAI's strict schemas
)

var (
	// What the APIs of OpenAI and Anthropic take for the name of a function.
	providerName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	// What Anthropic's API takes for the name of an argument.
	argumentName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)
	destructive  = regexp.MustCompile(`(?i)(^|[_.-])(delete|remove|drop|purge|destroy|truncate|wipe|revoke|erase|kill|reset|overwrite)([_.-]|$)`)
	camel        = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// Lint returns what is wrong with a catalog, except for rules that are left
// out.
func Lint(c *Catalog, without ...string) []Finding {
	l := &linter{without: without}
	ambiguous(l, "tool", c.Tools, func(t *mcp.Tool) string { return t.Name })
	ambiguous(l, "prompt", c.Prompts, func(p *mcp.Prompt) string { return p.Name })
	if n := len(c.Tools); n > mostTools {
		l.add(RuleMany, "catalog", "%d tools; clients show a model at most %d, and choose badly long before: split the server or use toolsets", n, mostTools)
	}
	for _, t := range c.Tools {
		l.tool(t)
	}
	for _, r := range c.Resources {
		l.described(fmt.Sprintf("resource %q", r.URI), r.Description, r.Title)
	}
	for _, t := range c.Templates {
		l.described(fmt.Sprintf("resource template %q", t.URITemplate), t.Description, t.Title)
	}
	for _, p := range c.Prompts {
		subject := fmt.Sprintf("prompt %q", p.Name)
		l.described(subject, p.Description, "")
		for _, a := range p.Arguments {
			if a.Description == "" {
				l.add(RuleArgument, subject, "argument %q has no description", a.Name)
			}
		}
	}
	return l.findings
}

type linter struct {
	without  []string
	findings []Finding
}

func (l *linter) add(rule, subject, format string, args ...any) {
	if !slices.Contains(l.without, rule) {
		l.findings = append(l.findings, Finding{rule, subject, fmt.Sprintf(format, args...)})
	}
}

// ambiguous finds names that people and models cannot tell apart.
func ambiguous[T any](l *linter, kind string, items []*T, name func(*T) string) {
	seen := map[string]string{}
	for _, item := range items {
		key := strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name(item)))
		if other, taken := seen[key]; taken {
			l.add(RuleAmbiguous, fmt.Sprintf("%s %q", kind, name(item)), "too like %q: a model takes one for the other", other)
			continue
		}
		seen[key] = name(item)
	}
}

func (l *linter) described(subject, description, title string) {
	if strings.TrimSpace(description) == "" && title == "" {
		l.add(RuleDescription, subject, "no description: a model cannot know when to use it")
	}
}

func (l *linter) tool(t *mcp.Tool) {
	subject := fmt.Sprintf("tool %q", t.Name)
	if !providerName.MatchString(t.Name) {
		l.add(RuleName, subject, "model providers take names of 1 to 64 letters, digits, '_' and '-'")
	}
	l.described(subject, t.Description, "")
	if n := utf8.RuneCountInString(t.Description); n > longestDescription {
		l.add(RuleDescription, subject, "a description of %d characters; some clients cut or refuse more than %d", n, longestDescription)
	}
	l.annotations(subject, t)
	input := schema(t.InputSchema)
	if input == nil {
		l.add(RuleSchema, subject, "no input schema; without arguments it is {\"type\":\"object\"}")
		return
	}
	l.root(subject, "input", input)
	if output := schema(t.OutputSchema); output != nil && output["type"] != "object" {
		l.add(RuleSchema, subject, "the output schema has type %v; clients before 2026-07-28 take \"object\" only", text(output["type"]))
	}
	l.arguments(subject, "", input, 1)
}

// annotations looks at what a tool says of its effects.
func (l *linter) annotations(subject string, t *mcp.Tool) {
	a := t.Annotations
	sounds := destructive.MatchString(camel.ReplaceAllString(t.Name, "${1}_${2}"))
	switch {
	case a == nil && sounds:
		l.add(RuleAnnotations, subject, "sounds destructive and has no annotations: clients cannot ask before they call it")
	case a == nil:
	case a.ReadOnlyHint && sounds:
		l.add(RuleAnnotations, subject, "sounds destructive and says that it only reads")
	case sounds && a.DestructiveHint != nil && !*a.DestructiveHint:
		l.add(RuleAnnotations, subject, "sounds destructive and says that it is not")
	}
	if a != nil && a.ReadOnlyHint && a.DestructiveHint != nil && *a.DestructiveHint {
		l.add(RuleContradict, subject, "says that it only reads, and that it destroys")
	}
}

// root looks at the top of an argument schema.
func (l *linter) root(subject, which string, s map[string]any) {
	if s["type"] != "object" {
		l.add(RuleSchema, subject, "the %s schema has type %v at its root; the protocol wants \"object\"", which, text(s["type"]))
	}
	for _, key := range []string{"anyOf", "oneOf", "allOf", "not", "enum"} {
		if _, there := s[key]; there {
			l.add(RuleSchema, subject, "%q at the root of the %s schema is refused by model providers; move it into a property", key, which)
		}
	}
}

// arguments looks at the properties of an object at a depth, and below.
func (l *linter) arguments(subject, at string, s map[string]any, depth int) {
	if depth > deepest {
		l.add(RuleDeep, subject, "%s is more than %d levels deep", strings.TrimPrefix(at, "."), deepest)
		return
	}
	all := properties(s)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p, where := all[name], strings.TrimPrefix(at+"."+name, ".")
		if !argumentName.MatchString(name) {
			l.add(RuleSchema, subject, "argument %q: model providers take names of 1 to 64 letters, digits, '_', '-' and '.'", where)
		}
		if d, _ := p["description"].(string); d == "" && p["const"] == nil && p["$ref"] == nil {
			l.add(RuleArgument, subject, "argument %q has no description", where)
		}
		l.value(subject, where, p, depth)
	}
}

// value looks at what one argument may be.
func (l *linter) value(subject, where string, p map[string]any, depth int) {
	if ref, _ := p["$ref"].(string); ref != "" && !strings.HasPrefix(ref, "#") {
		l.add(RuleSchema, subject, "argument %q refers to %q; clients do not fetch schemas: put it into $defs", where, ref)
	}
	types := typesOf(p)
	if len(p) > 0 && len(types) == 0 && !slices.ContainsFunc([]string{"$ref", "anyOf", "oneOf", "allOf", "enum", "const"}, func(k string) bool { return p[k] != nil }) {
		l.add(RuleSchema, subject, "argument %q has no type", where)
	}
	if slices.Contains(types, "array") {
		items := object(p["items"])
		if items == nil {
			l.add(RuleSchema, subject, "argument %q is an array without items, which OpenAI's API refuses", where)
		} else {
			l.value(subject, where+"[]", items, depth)
		}
	}
	if slices.Contains(types, "object") {
		l.arguments(subject, where, p, depth+1)
	}
}
