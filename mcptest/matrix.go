package mcptest

import (
	"slices"
	"testing"

	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/server"
)

// Matrix runs test as a subtest over each transport in each era.
func Matrix(t *testing.T, srv *server.Server, test func(t *testing.T, c *Client), opts ...Option) {
	t.Helper()
	transports := []struct {
		name   string
		option Option
	}{
		{"memory", func(*config) {}}, {"http", OverHTTP()}, {"stdio", OverStdio()},
	}
	for _, tr := range transports {
		for _, version := range []string{era.LastLegacy, era.FirstModern} {
			t.Run(tr.name+"/"+version, func(t *testing.T) {
				test(t, New(t, srv, append(slices.Clip(opts), tr.option, Version(version))...))
			})
		}
	}
}
