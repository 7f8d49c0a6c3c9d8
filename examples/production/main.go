// Production is a server of notes with everything on that an operator wants:
// who calls is known, what they may do is decided, how often is limited, all of it
// is audited and traced; events are stored durably; health, metrics and profiles are on a
// listener of their own; and it stops without losing a call.
//
//	go run ./examples/production -no-auth                  # to try it, on loopback
//	go run ./examples/production -config production.yaml   # a copy of config.yaml
//
// Events are in a file, or with -postgres URL in a database. With -redis HOST:PORT
// replicas share rate limits and sessions. -chaos adds tools that misbehave.
// deploy/ has a unit for systemd, a manifest for Kubernetes and a Dockerfile.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/trestle-mcp/trestle/shutdown"
)

func main() {
	c, err := readConfig(os.Args[1:])
	if err == nil {
		err = run(context.Background(), c, os.Stdout, os.Stderr) // until SIGTERM or Ctrl-C
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(shutdown.ExitCode(err))
}

// run serves until ctx ends or a signal arrives, and says on out where. Traces go
// there, too; log and audit go to logs.
func run(ctx context.Context, c *config, out, logs io.Writer) error {
	srv, err := assemble(ctx, c, out, logs)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() {
		select {
		case <-ctx.Done():
		case <-srv.Ready():
			_, _ = fmt.Fprintf(out, "ready: http://%s/mcp\nadmin: http://%s/readyz\nstops within %v\n",
				srv.Addr(), srv.AdminAddr(), srv.ShutdownLimit())
		}
	})
	return srv.Run(ctx)
}
