package server_test

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/server"
)

type Greeter struct {
	version string
	cfg     struct {
		Greeting string `json:"greeting" validate:"required"`
	}
}

func (g *Greeter) Name() string    { return "greeter" }
func (g *Greeter) Version() string { return g.version }
func (g *Greeter) Config() any     { return &g.cfg }

func (g *Greeter) Register(r *plugin.Registrar) error {
	type in struct {
		Who string `json:"who"`
	}
	return server.AddTool(r, server.Tool{Name: "greet", Description: "Greet somebody.", ReadOnly: true},
		func(_ context.Context, in in) (string, error) { return g.cfg.Greeting + ", " + in.Who, nil })
}

func ExampleServer_Plugins() {
	ctx := context.Background()
	srv, err := server.New("desk", "1.0.0", &server.Options{Logger: zap.NewNop()},
		plugin.Setup{Plugin: &Greeter{version: "1.0.0"}, Prefix: "hello.", Config: []byte("greeting: Good day")})
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Plugins().Close(ctx) }()

	// While clients are connected:
	err = srv.Plugins().Replace(ctx, plugin.Setup{Plugin: &Greeter{version: "1.1.0"}, Prefix: "hello.", Config: []byte("greetings: Hi")})
	fmt.Println(err)
	err = srv.Plugins().Replace(ctx, plugin.Setup{Plugin: &Greeter{version: "1.1.0"}, Prefix: "hello.", Config: []byte("greeting: Hi")})
	fmt.Println(err)
	for _, p := range srv.Plugins().List() {
		fmt.Println(p.Name, p.Version, p.State, p.Tools)
	}
	// Output:
	// plugin "greeter": Config: greetings: unknown key; known are greeting
	// greeting: breaks the rule required
	// <nil>
	// greeter 1.1.0 enabled [hello.greet]
}
