// Command minimal is an MCP server to start from: one tool, and how it is
// tested. It speaks stdio, or HTTP with -addr.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
)

// AddIn are the arguments of add. The tags make the schema that clients see, and
// every call is held to it before the tool runs.
type AddIn struct {
	A int `json:"a" jsonschema:"first addend" validate:"gte=0"`
	B int `json:"b" jsonschema:"second addend"`
}

// AddOut is what add answers.
type AddOut struct {
	Sum int `json:"sum"`
}

func add(_ context.Context, in AddIn) (AddOut, error) { return AddOut{in.A + in.B}, nil }

// newServer returns the server with all its tools; tests use it, too.
func newServer(opts *server.Options) (*server.Server, error) {
	srv, err := server.New("minimal", "1.0.0", opts)
	if err != nil {
		return nil, err
	}
	return srv, errors.Join(
		server.AddTool(srv, server.Tool{Name: "add", Description: "Add two integers.", ReadOnly: true}, add),
	)
}

func main() {
	addr := flag.String("addr", "", "serve HTTP at this address, such as 127.0.0.1:8080, instead of stdio")
	flag.Parse()
	srv, err := newServer(&server.Options{Addr: *addr})
	if err == nil {
		err = srv.Run(context.Background()) // until SIGTERM or Ctrl-C
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(shutdown.ExitCode(err))
	}
}
