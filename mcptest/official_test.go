package mcptest_test

import (
	"os"
	"testing"

	"github.com/trestle-mcp/trestle/mcptest"
)

// TestOfficialSuite_RunsAgainstAServer is run by scripts/conformance, which has
// the suite.
func TestOfficialSuite_RunsAgainstAServer(t *testing.T) {
	if os.Getenv("MCP_CONFORMANCE_SUITE") == "" {
		t.Skip("MCP_CONFORMANCE_SUITE names no suite; scripts/conformance does")
	}
	mcptest.OfficialSuite(t, newServer(t))
}
