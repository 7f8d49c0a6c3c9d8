// Plugins is a server whose tools come and go while clients are connected: a
// plugin in code with two versions, a directory of YAML files that describe tools
// over HTTP, and an OpenAPI document. The HTTP service behind them is part of the
// example, and listens on loopback.
//
//	go run ./examples/plugins [-addr host:port | -stdio] [-dir folder]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/trestle-mcp/trestle/server"
)

// config is what the flags say.
type config struct {
	addr, dir, service string
	stdio              bool

	interval time.Duration // no flag: how often the folder is looked at; 0: the default
}

func main() {
	var c config
	flag.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.BoolVar(&c.stdio, "stdio", false, "speak stdio instead of HTTP")
	flag.StringVar(&c.dir, "dir", "", "`folder` of YAML descriptions, followed while it changes; default: one that goes with the program")
	flag.StringVar(&c.service, "service", "127.0.0.1:8099", "`host:port` of the HTTP service behind the tools, on loopback")
	flag.Parse()
	if err := run(context.Background(), &c, os.Stdout, os.Stderr); err != nil { // until Ctrl-C; running calls end first
		log.Fatal(err)
	}
}

// run serves until ctx ends, and says on out where, unless that is the client's.
func run(ctx context.Context, c *config, out, logs io.Writer) error {
	opts := &server.Options{Addr: c.addr, InfoResource: true}
	if c.stdio {
		opts.Addr = ""
	}
	d, err := newDesk(ctx, c, opts, slog.New(slog.NewJSONHandler(logs, nil)))
	if err != nil {
		return err
	}
	defer d.close()
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() {
		select {
		case <-ctx.Done():
		case <-d.server.Ready():
			if !c.stdio {
				_, _ = fmt.Fprintf(out, "ready: http://%s/mcp\n%s", d.server.Addr(), d.tour())
			}
		}
	})
	return d.server.Run(ctx)
}
