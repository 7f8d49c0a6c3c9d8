package mcptest

import (
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/internal/catalog"
	"github.com/trestle-mcp/trestle/server"
)

// A Catalog is what a server offers one of its clients, ordered by name.
type Catalog = catalog.Catalog

// A Finding is something in a [Catalog] that clients or models stumble over.
type Finding = catalog.Finding

// Catalog lists all pages of everything that the server offers this client. It
// fails the test if a list fails.
func (c *Client) Catalog() *Catalog {
	c.tb.Helper()
	all, err := catalog.Fetch(c.tb.Context(), c.ClientSession)
	if err != nil {
		c.fatalf("%v%s", err, show(c.x.all()))
		return new(Catalog)
	}
	return all
}

// Lint fails the test for each thing in what srv offers that clients or models
// are known to stumble over: names and schemas that model providers refuse,
// names that are too like each other, missing descriptions, tools that sound
// destructive and do not say so. Rules named in without are left out; a failure
// names its rule.
//
// It looks as an anonymous client of the newest version; [Client.Lint] looks
// as any.
func Lint(tb testing.TB, srv *server.Server, without ...string) {
	tb.Helper()
	New(tb, srv).Lint(without...)
}

// Lint is the function Lint for what this client sees.
func (c *Client) Lint(without ...string) {
	c.tb.Helper()
	for _, rule := range without {
		if !strings.Contains(" "+strings.Join(catalog.Rules(), " ")+" ", " "+rule+" ") {
			c.fatalf("Lint: there is no rule %q; the rules are %s", rule, strings.Join(catalog.Rules(), ", "))
		}
	}
	for _, f := range catalog.Lint(c.Catalog(), without...) {
		c.tb.Errorf("%s", f)
	}
}
