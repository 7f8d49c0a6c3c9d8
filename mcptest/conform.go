package mcptest

import (
	"io"
	"net/http"
	"testing"

	"github.com/trestle-mcp/trestle/internal/conform"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

// Conform holds srv to the rules that every MCP server keeps, as subtests: over
// HTTP and over stdio, in both eras. A failure names the rule and where it stands
// in the specification. No tool that exists is called. Of the options, [As] and
// [Bearer] count.
func Conform(t *testing.T, srv *server.Server, opts ...Option) {
	t.Helper()
	cfg := configure(opts)
	for _, version := range []string{era.LastLegacy, era.FirstModern} {
		t.Run("http/"+version, func(t *testing.T) {
			web, token := serveHTTP(t, srv, cfg)
			header := http.Header{}
			if token != "" {
				header.Set("Authorization", "Bearer "+token)
			}
			hold(t, &conform.HTTP{URL: web.URL, Header: header, Client: web.Client()}, version)
		})
		t.Run("stdio/"+version, func(t *testing.T) {
			serverIn, out := io.Pipe()
			in, serverOut := io.Pipe()
			session, err := srv.MCP().Connect(cfg.context(t), &transport.Stdio{In: serverIn, Out: serverOut}, nil)
			if err != nil {
				t.Fatalf("mcptest: connecting the server: %v", err)
			}
			t.Cleanup(func() {
				_ = out.Close()     // as a client that goes away
				_ = session.Close() // which the server has noticed or not
				_ = serverOut.Close()
			})
			hold(t, conform.NewStdio(out, in), version)
		})
	}
}

// hold makes a subtest of each rule.
func hold(t *testing.T, wire conform.Wire, version string) {
	t.Helper()
	results, err := conform.Run(t.Context(), wire, version, conform.Options{})
	for _, r := range results {
		t.Run(r.Rule, func(t *testing.T) {
			t.Helper()
			switch {
			case r.Skipped != "":
				t.Skip(r.Skipped)
			case !r.OK():
				t.Error(r)
			}
		})
	}
	if err != nil {
		t.Error(err)
	}
}
