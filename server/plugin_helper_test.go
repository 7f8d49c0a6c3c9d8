package server_test

import (
	"context"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/server"
)

// A part is a plugin of a name, a version and what it registers.
type part struct {
	name, version string
	register      func(r *plugin.Registrar) error
}

func (p *part) Name() string                       { return p.name }
func (p *part) Version() string                    { return p.version }
func (p *part) Register(r *plugin.Registrar) error { return p.register(r) }

// versioned returns a plugin with one of everything, that answers with its version.
func versioned(name, version string) *part {
	return &part{name, version, func(r *plugin.Registrar) error {
		text := func(context.Context, none) (string, error) { return version, nil }
		_ = server.AddTool(r, server.Tool{Name: name, Description: version, Aliases: []string{"old." + name}}, text)
		_ = server.AddPrompt(r, server.Prompt{Name: name, Description: version}, text)
		_ = server.AddResource(r, server.Resource{URI: name + "://one", Name: version, MIMEType: "text/" + version},
			func(context.Context) (string, error) { return version, nil })
		return server.AddResourceTemplate(r, server.ResourceTemplate{URITemplate: name + "://{owner}/{id}", Name: version},
			func(context.Context, note) (string, error) { return version, nil })
	}}
}

// quiet returns a server that logs nothing and limits no rates.
func quiet(tb testing.TB, opts server.Options, plugins ...plugin.Plugin) *server.Server {
	tb.Helper()
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	srv, err := server.New("test", "1.0.0", &opts, plugins...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := srv.Plugins().Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	return srv
}

// notices returns an option by which a client tells what changed.
func notices() (mcptest.Option, <-chan string) {
	changed := make(chan string, 1000)
	return mcptest.WithClient(&mcp.ClientOptions{
		ToolListChangedHandler:     func(context.Context, *mcp.ToolListChangedRequest) { changed <- "tools" },
		PromptListChangedHandler:   func(context.Context, *mcp.PromptListChangedRequest) { changed <- "prompts" },
		ResourceListChangedHandler: func(context.Context, *mcp.ResourceListChangedRequest) { changed <- "resources" },
	}), changed
}

// hear waits until each kind has been heard of, and returns how often each was.
func hear(t *testing.T, changed <-chan string, kinds ...string) map[string]int {
	t.Helper()
	heard := map[string]int{}
	for len(heard) < len(kinds) {
		select {
		case kind := <-changed:
			heard[kind]++
		case <-t.Context().Done():
			t.Fatal("heard of", heard)
		}
	}
	return heard
}
