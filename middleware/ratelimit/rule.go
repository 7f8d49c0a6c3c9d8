package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Rule limits the calls it is about.
type Rule struct {
	// Name names the rule in errors and headers, which callers see: 1 to 64
	// characters of A–Z a–z 0-9 . _ -, and no other rule's.
	Name string
	// Limiter has the budgets of the rule, and of no other.
	Limiter Limiter
	// Key says which budget a call takes from. Nil means one budget for all.
	Key Key
	// Methods are the methods that the rule is about. None means every request
	// but ping, initialize and server/discover, and no notification; those may
	// be named here. The error of a notification is dropped, as it has no answer.
	// Trestle's transport precedes a modern call of a tool that it does not know
	// by a tools/list in the caller's name, which counts as one.
	Methods []string
	// Tools narrows the rule to calls of these tools. None means no narrowing.
	Tools []string
	// Cost says what a call costs. Nil means 1. A call of cost zero is not
	// limited; a negative cost is an internal error; one above the limit is
	// refused for ever, as a validation error.
	Cost func(method string, req mcp.Request) int
}

// A Key returns the name of the budget that a call takes from. It must not
// come from the caller unchecked, who else has as many budgets as it has ideas.
type Key func(ctx context.Context, method string, req mcp.Request) string

// By takes the key from the context: the principal, its tenant, or whatever
// else was put there. Callers for whom of returns the same, such as "" for
// anonymous ones, share a budget.
func By(of func(ctx context.Context) string) Key {
	return func(ctx context.Context, _ string, _ mcp.Request) string { return of(ctx) }
}

// ByMethod gives each method a budget.
func ByMethod() Key {
	return func(_ context.Context, method string, _ mcp.Request) string { return method }
}

// ByTool gives each of the named tools a budget. Calls of other tools, and
// other calls, share one: names that nobody knows make no budgets.
func ByTool(names ...string) Key {
	names = slices.Clone(names)
	return func(_ context.Context, _ string, req mcp.Request) string {
		if called := toolOf(req); called != "" {
			for _, name := range names {
				if name == called {
					return name
				}
			}
		}
		return ""
	}
}

func toolOf(req mcp.Request) string {
	if r, ok := req.(*mcp.CallToolRequest); ok && r != nil && r.Params != nil {
		return r.Params.Name
	}
	return ""
}

// about reports whether the rule counts the call.
func (r *Rule) about(method string, req mcp.Request) bool {
	if len(r.Methods) == 0 {
		if !counted(method) {
			return false
		}
	} else if !slices.Contains(r.Methods, method) {
		return false
	}
	return len(r.Tools) == 0 || slices.Contains(r.Tools, toolOf(req))
}

// counted reports whether rules count the method that do not name it. Refusing
// a ping ends a session that is well, a session that cannot be opened costs
// more in retries than it saves, and of a notification nobody learns that it was
// refused: the transport bounds all three by other means.
func counted(method string) bool {
	switch method {
	case "ping", "initialize", "server/discover":
		return false
	}
	return !strings.HasPrefix(method, "notifications/")
}

func (r *Rule) cost(method string, req mcp.Request) int {
	if r.Cost == nil {
		return 1
	}
	return r.Cost(method, req)
}

// checked returns a copy of rules, or all that is wrong with them.
func checked(rules []Rule) ([]Rule, error) {
	var mistakes []error
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("ratelimit: "+format, args...))
	}
	if len(rules) > maxCharges {
		mistake("%d rules are more than %d", len(rules), maxCharges)
	}
	var remote []Charge
	rules = slices.Clone(rules)
	for i := range rules {
		r := &rules[i]
		r.Methods, r.Tools = slices.Clone(r.Methods), slices.Clone(r.Tools)
		if !validName(r.Name) {
			mistake("rule %d: the name %q is not 1 to 64 characters of A-Z a-z 0-9 . _ -", i, r.Name)
		}
		for j := range i {
			if rules[j].Name == r.Name {
				mistake("two rules are named %q", r.Name)
			}
			if same(rules[j].Limiter, r.Limiter) {
				mistake("rules %q and %q share a limiter", rules[j].Name, r.Name)
			}
		}
		switch l := r.Limiter.(type) {
		case nil:
			mistake("rule %q has no limiter", r.Name)
		case *Local:
			if l == nil {
				mistake("rule %q has no limiter", r.Name)
			} else if l.err != nil {
				mistake("rule %q: %w", r.Name, l.err)
			}
		default:
			if made, ok := l.(interface{ Err() error }); ok && made.Err() != nil {
				mistake("rule %q: %w", r.Name, made.Err())
			}
			remote = append(remote, Charge{Limiter: l})
		}
	}
	if len(remote) > 1 {
		if err := joined(remote); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return rules, errors.Join(mistakes...)
}

// same reports whether a and b are one limiter.
func same(a, b Limiter) bool {
	v := reflect.ValueOf(a)
	return v.IsValid() && v.Comparable() && (v.Kind() != reflect.Pointer || !v.IsNil()) && a == b
}

func validName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return s != "" && len(s) <= 64 && strings.Trim(s, letters) == ""
}
