// Ledger keeps accounts as streams of events: what is recorded is never lost and
// counts once, however often a request is repeated or the process is killed.
//
//	go run ./examples/ledger [-addr host:port | -stdio] [-db file | -postgres DSN]
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/server"
)

// config is what the flags say.
type config struct {
	addr, db, postgres string
	stdio              bool

	schema string        // no flag: of the tables in PostgreSQL; "": the default
	every  time.Duration // no flag: how often undelivered transfers are looked for, and what failed is tried again; 0: two seconds
}

func main() {
	var c config
	flag.StringVar(&c.addr, "addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.BoolVar(&c.stdio, "stdio", false, "speak stdio instead of HTTP")
	flag.StringVar(&c.db, "db", "", "`file` that keeps the events; default: ledger.db in the working folder")
	flag.StringVar(&c.postgres, "postgres", "", "`DSN` of a PostgreSQL database that keeps the events instead")
	flag.Parse()
	if err := run(context.Background(), &c, os.Stdout); err != nil { // until Ctrl-C; running calls end first
		log.Fatal(err)
	}
}

// run serves until ctx ends, and says on out where, unless that is the client's.
func run(ctx context.Context, c *config, out io.Writer) error {
	backend, release, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer release()
	l, err := newLedger(backend)
	if err != nil {
		return err
	}
	defer l.close()
	opts := &server.Options{Title: "Ledger", Addr: c.addr}
	if c.stdio {
		opts.Addr, out = "", io.Discard
	}
	srv, err := server.New("ledger", "1.0.0", opts)
	if err != nil {
		return err
	}
	l.addTools(srv)

	ctx, cancel := context.WithCancel(ctx)
	every := cmp.Or(c.every, 2*time.Second)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	background.Go(func() {
		if err := l.balances.Run(ctx); !errors.Is(err, context.Canceled) {
			srv.Logger().Error("the balances stand still", zap.Error(err))
		}
	})
	background.Go(func() { l.tellUpdates(ctx, every, srv) })
	background.Go(func() { l.deliverAll(ctx, every, srv.Logger()) })
	background.Go(func() {
		select {
		case <-ctx.Done():
		case <-srv.Ready():
			_, _ = fmt.Fprintf(out, "ready: http://%[1]s/mcp\ntry: "+curl+"\n", srv.Addr())
		}
	})
	return srv.Run(ctx)
}

const curl = `curl -s http://%[1]s/mcp -H Content-Type:application/json -H MCP-Protocol-Version:2026-07-28 -H Mcp-Method:tools/call ` +
	`-H Mcp-Name:open_account -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open_account","arguments":{"owner":"Ann"},` +
	`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'`
