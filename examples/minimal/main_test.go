package main

import (
	"testing"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func start(t *testing.T) *server.Server {
	t.Helper()
	srv, err := newServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func TestAdd(t *testing.T) {
	mcptest.Matrix(t, start(t), func(t *testing.T, c *mcptest.Client) {
		c.Call("add", AddIn{A: 1, B: 2}).OK().Equal(AddOut{Sum: 3})
		c.Call("add", map[string]any{"a": -1, "b": 2}).Fails(mcperrors.Validation).Says("at least 0")
	})
}

func TestServer_KeepsTheRules(t *testing.T) {
	mcptest.Conform(t, start(t))
	mcptest.Lint(t, start(t))
}
