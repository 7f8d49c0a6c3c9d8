// Conformance serves every fixture that the official MCP conformance suite
// asks a server for: a tour of what Trestle can do, one topic a file.
//
//	go run ./examples/conformance [-addr host:port | -stdio] [-chaos] [-token TOKEN]
//
// -token serves only those who send that token, over HTTP.
// -chaos adds tools that misbehave, for tests of what the framework does then.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8931", "listen on `host:port`; port 0 picks a free one")
	stdio := flag.Bool("stdio", false, "speak stdio instead of HTTP")
	chaos := flag.Bool("chaos", false, "add tools that panic, hang, fail and exaggerate")
	token := flag.String("token", "", "serve only callers who send this bearer `token`")
	flag.Parse()
	opts := &server.Options{Addr: *addr}
	if *token != "" {
		opts.Authenticate = wantToken(*token)
	}
	if *stdio {
		opts.Addr = ""
	}
	if err := run(context.Background(), opts, *chaos, os.Stdout); err != nil { // until Ctrl-C
		fmt.Fprintln(os.Stderr, err)
		os.Exit(shutdown.ExitCode(err)) // another one after a second Ctrl-C, which ends all at once
	}
}

// run serves until ctx ends, and says on w where, unless on stdio.
func run(ctx context.Context, opts *server.Options, chaos bool, w io.Writer) error {
	srv, err := newServer(opts, chaos)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() { touchWatched(ctx, srv) })
	background.Go(func() {
		select {
		case <-ctx.Done():
		case <-srv.Ready():
			if srv.Addr() != "" { // else stdout belongs to the client
				_, _ = fmt.Fprintf(w, "ready: http://%s/mcp\n", srv.Addr())
			}
		}
	})
	return srv.Run(ctx)
}

func newServer(opts *server.Options, chaos bool) (*server.Server, error) {
	var own server.Options
	if opts != nil {
		own = *opts
	}
	own.MaxResult = -1 // chaos_big answers with as much as it is asked for
	srv, err := server.New("trestle-conformance", "1.0.0", &own)
	if err != nil {
		return nil, err
	}
	// Mistakes in these are returned by Run and Handler, all together.
	addContentTools(srv)
	addNotifyingTools(srv)
	addAskingTools(srv)
	addFormTools(srv)
	addRoundTools(srv)
	addSchemaTools(srv)
	addConnectionTools(srv)
	addChangingTools(srv)
	addResources(srv)
	addPrompts(srv)
	if chaos {
		addChaos(srv)
	}
	return srv, nil
}

// nothing is what tools and prompts without arguments take.
type nothing = struct{}

// harmless describes a tool that changes nothing anywhere.
func harmless(name, description string) server.Tool {
	return server.Tool{Name: name, Description: description, ReadOnly: true, ClosedWorld: true}
}
