package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/server"
)

type greetIn struct {
	Name string `json:"name" jsonschema:"whom to greet" validate:"min=1"`
}

type greetOut struct {
	Greeting string `json:"greeting"`
}

func Example() {
	srv, err := server.New("greeter", "1.0.0", &server.Options{Logger: zap.NewNop()})
	if err != nil {
		log.Fatal(err)
	}
	err = server.AddTool(srv, server.Tool{Name: "greet", Description: "Greet somebody.", ReadOnly: true},
		func(_ context.Context, in greetIn) (greetOut, error) {
			return greetOut{"Hello, " + in.Name + "!"}, nil
		})
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(call(srv, "greet", `{"name":"Ann"}`))
	fmt.Println(call(srv, "greet", `{"who":"Ann"}`))
	// Output:
	// {"greeting":"Hello, Ann!"}
	// invalid arguments: 2 problems
	// - name: required, missing
	// - who: unknown argument; known are name
}

func ExampleFactory() {
	house := server.NewFactory(&server.Options{Logger: zap.NewNop(), MaxInFlight: 100})
	for _, name := range []string{"billing", "shipping"} {
		srv, err := house.New(name, "1.0.0")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(srv.Name())
	}
	// Output:
	// billing
	// shipping
}

// call is a client that returns the text of a tool's answer. Tests use mcptest.
func call(srv *server.Server, tool, args string) string {
	ctx := context.Background()
	here, there := mcp.NewInMemoryTransports()
	if _, err := srv.MCP().Connect(ctx, there, nil); err != nil {
		return err.Error()
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil).Connect(ctx, here, nil)
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	res, err := client.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(args)})
	if err != nil {
		return err.Error()
	}
	return res.Content[0].(*mcp.TextContent).Text
}
