package mcptest_test

import (
	"context"
	"testing"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

type addIn struct {
	A int `json:"a" validate:"gte=0"`
	B int `json:"b"`
}

type addOut struct {
	Sum int `json:"sum"`
}

type greetIn struct {
	Name string `json:"name"`
}

type choice struct {
	Yes bool `json:"yes"`
}

// newServer returns a server with something of every kind.
func newServer(t *testing.T) *server.Server {
	t.Helper()
	return newServerWith(t, &server.Options{})
}

func newServerWith(t *testing.T, opts *server.Options) *server.Server {
	t.Helper()
	opts.Logger = zap.NewNop()
	srv, err := server.New("calc", "1.0.0", opts)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(server.AddTool(srv, server.Tool{Name: "add", Description: "Add two integers."},
		func(_ context.Context, in addIn) (addOut, error) { return addOut{in.A + in.B}, nil }))
	must(server.AddTool(srv, server.Tool{Name: "work", Description: "Work in steps."},
		func(ctx context.Context, _ struct{}) (string, error) {
			server.Progress(ctx, 1, 2, "half")
			server.Progress(ctx, 2, 2, "whole")
			return "worked", nil
		}))
	must(server.AddTool(srv, server.Tool{Name: "confirm", Description: "Ask the user."},
		func(ctx context.Context, _ struct{}) (choice, error) {
			return server.Elicit[choice](ctx, "sure", "Are you sure?")
		}))
	must(server.AddTool(srv, server.Tool{Name: "grow", Description: "Add a tool and a note."},
		func(ctx context.Context, in greetIn) (struct{}, error) {
			err := server.AddTool(srv, server.Tool{Name: in.Name, Description: "Was added."},
				func(context.Context, struct{}) (string, error) { return "here", nil })
			if err == nil {
				err = srv.ResourceUpdated(ctx, "memo://one")
			}
			return struct{}{}, err
		}))
	must(server.AddResource(srv, server.Resource{URI: "memo://one", Name: "one", Description: "A memo."},
		func(context.Context) (string, error) { return `{"sum":3}`, nil }))
	must(server.AddResource(srv, server.Resource{URI: "memo://bytes", Name: "bytes", Description: "Bytes."},
		func(context.Context) ([]byte, error) { return []byte{1, 2, 3}, nil }))
	must(server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "greeting://{name}", Name: "greeting", Description: "A greeting."},
		func(_ context.Context, v greetIn) (string, error) { return "Hello " + v.Name, nil }))
	must(server.AddPrompt(srv, server.Prompt{Name: "greet", Description: "Greet somebody."},
		func(_ context.Context, in greetIn) (string, error) { return "Greet " + in.Name + ".", nil }))
	names := func(_ context.Context, typed string, _ map[string]string) ([]string, error) {
		return []string{typed + "nn"}, nil
	}
	must(srv.CompletePrompt("greet", "name", names))
	must(srv.CompleteResourceTemplate("greeting://{name}", "name", names))
	return srv
}

// clients runs test with a client over each transport in each era; each has a
// server of its own.
func clients(t *testing.T, test func(t *testing.T, c *mcptest.Client), opts ...mcptest.Option) {
	t.Helper()
	for name, over := range map[string]mcptest.Option{"memory": mcptest.Patience(0), "http": mcptest.OverHTTP(), "stdio": mcptest.OverStdio()} {
		for era, version := range map[string]string{"legacy": "2025-11-25", "modern": "2026-07-28"} {
			t.Run(name+" "+era, func(t *testing.T) {
				test(t, mcptest.New(t, newServer(t), append(opts, over, mcptest.Version(version))...))
			})
		}
	}
}
