package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/eventstore"
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

func ExampleEventsPage() {
	store := eventstore.New(eventstore.NewMemory(), nil)
	placed := eventstore.Event{Type: "order.placed", Data: []byte(`{"items":3}`)}
	if _, err := store.Append(context.Background(), "order-17", eventstore.NoStream, placed); err != nil {
		log.Fatal(err)
	}
	policy, err := auth.NewPolicy(auth.PolicySpec{Local: []string{"admin:access", "read:resources:events://order-*"}})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := server.New("orders", "1.0.0", &server.Options{Logger: zap.NewNop(), Policy: policy, Events: store})
	if err != nil {
		log.Fatal(err)
	}
	var page server.EventsPage
	if err := json.Unmarshal([]byte(contents(srv, "events://order-17?from=1")), &page); err != nil {
		log.Fatal(err)
	}
	for _, e := range page.Events {
		fmt.Println(page.Stream, e.Version, e.Type, string(e.Data))
	}
	// Output: order-17 1 order.placed {"items":3}
}

// connect returns a client, who is the local principal. Tests use mcptest.
func connect(srv *server.Server) (*mcp.ClientSession, error) {
	ctx := auth.WithPrincipal(context.Background(), auth.Local())
	here, there := mcp.NewInMemoryTransports()
	if _, err := srv.MCP().Connect(ctx, there, nil); err != nil {
		return nil, err
	}
	return mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1"}, nil).Connect(ctx, here, nil)
}

// contents is a client that returns the text of a resource.
func contents(srv *server.Server, uri string) string {
	client, err := connect(srv)
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	res, err := client.ReadResource(context.Background(), &mcp.ReadResourceParams{URI: uri})
	if err != nil {
		return err.Error()
	}
	return res.Contents[0].Text
}

// call is a client that returns the text of a tool's answer.
func call(srv *server.Server, tool, args string) string {
	client, err := connect(srv)
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	res, err := client.CallTool(context.Background(), &mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(args)})
	if err != nil {
		return err.Error()
	}
	return res.Content[0].(*mcp.TextContent).Text
}
