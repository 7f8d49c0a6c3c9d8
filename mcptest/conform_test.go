package mcptest_test

import (
	"testing"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/mcptest"
)

func TestConform_FindsNothingInAServer(t *testing.T) {
	mcptest.Conform(t, newServer(t))
	mcptest.Conform(t, newServer(t), mcptest.As(&auth.Principal{Issuer: "test", Subject: "ann"}))
}
