package mcptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/server"
)

// Where the official suite and its Node.js are, if not at their usual places.
const (
	suiteVariable = "MCP_CONFORMANCE_SUITE" // its dist/index.js
	nodeVariable  = "MCP_CONFORMANCE_NODE"  // a Node.js of version 22 or newer
)

// generic are the scenarios of the official suite that need no fixtures in a
// server.
var generic = []string{"server-initialize", "ping", "tools-list", "resources-list", "prompts-list", "dns-rebinding-protection"}

// OfficialSuite runs scenarios of the official conformance suite
// (@modelcontextprotocol/conformance) against srv over HTTP, each as a subtest.
// Without scenarios it runs those that need no fixtures in the server.
//
// The suite is looked for in the node_modules of this directory and those above,
// or it is what the environment variable MCP_CONFORMANCE_SUITE says; Node.js in the
// PATH, or what MCP_CONFORMANCE_NODE says. Where one is missing the test is skipped,
// and fails if TRESTLE_CI is set.
func OfficialSuite(t *testing.T, srv *server.Server, scenarios ...string) {
	t.Helper()
	node, suite := findSuite()
	if node == "" || suite == "" {
		const missing = "the official suite needs Node.js and npm's @modelcontextprotocol/conformance, or " + suiteVariable + " and " + nodeVariable
		if os.Getenv("TRESTLE_CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	if len(scenarios) == 0 {
		scenarios = generic
	}
	web, _ := serveHTTP(t, srv, new(config))
	for _, scenario := range scenarios {
		t.Run(scenario, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), node, suite, "server", "--url", web.URL, "--scenario", scenario, "-o", t.TempDir()) //nolint:gosec // what the caller installed
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// findSuite returns a Node.js and the suite, or "" for what is not there.
func findSuite() (node, suite string) {
	node, suite = os.Getenv(nodeVariable), os.Getenv(suiteVariable)
	if node == "" {
		node, _ = exec.LookPath("node") // "" if there is none
	}
	dir, err := os.Getwd()
	for err == nil && suite == "" {
		file := filepath.Join(dir, "node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js")
		if _, err := os.Stat(file); err == nil {
			suite = file
		}
		if above := filepath.Dir(dir); above != dir && !strings.HasSuffix(dir, string(filepath.Separator)) {
			dir = above
			continue
		}
		break
	}
	return node, suite
}
