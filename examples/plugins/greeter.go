package main

import (
	"context"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/server"
)

// A greeter is a plugin in code, in one of its two versions. The second can say
// goodbye, too.
type greeter struct{ version string }

func (g greeter) Name() string    { return "greeter" }
func (g greeter) Version() string { return g.version }

// next is the version that follows, or the first again.
func (g greeter) next() greeter {
	if g.version == "1.0.0" {
		return greeter{"2.0.0"}
	}
	return greeter{"1.0.0"}
}

type someone struct {
	Name string `json:"name" jsonschema:"whom to greet" validate:"min=1,max=100"`
}

func (g greeter) Register(r *plugin.Registrar) error {
	_ = server.AddTool(r, server.Tool{Name: "greet", Description: "Greet someone (greeter " + g.version + ").", ReadOnly: true},
		func(_ context.Context, in someone) (string, error) {
			if g.version == "1.0.0" {
				return "Hello " + in.Name, nil
			}
			return "Good day, " + in.Name + "!", nil
		})
	if g.version != "1.0.0" {
		_ = server.AddTool(r, server.Tool{Name: "say_goodbye", Description: "Say goodbye to someone.", ReadOnly: true},
			func(_ context.Context, in someone) (string, error) { return "Goodbye, " + in.Name + "!", nil })
	}
	return nil // mistakes in these are those of Manager.Register
}
