// Bench measures Trestle side by side with its peers: a plain net/http handler
// with encoding/json, bare go-sdk and bare mcp-go, in one run on one machine,
// so that the ratios can be compared.
//
//	go run ./bench          # minutes; prints the tables
//	go run ./bench -quick   # seconds; shows that all of it works
//	go run ./bench -write   # also writes docs/benchmarks.md
//
// It builds and starts one process for each server, puts load on them in turns,
// and ends them. It is a module of its own to keep the peers out of the core's
// dependencies.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/trestle-mcp/trestle/bench/internal/measure"
	"github.com/trestle-mcp/trestle/bench/internal/report"
)

func main() {
	if err := realMain(); err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func realMain() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr, build(dir))
}

// run does what args say: tables go to out, what is going on to progress.
func run(ctx context.Context, args []string, out, progress io.Writer, launch launcher) error {
	o, err := parseOptions(args, progress)
	if err != nil {
		return err
	}
	r := &report.Report{
		Plan: &o.plan, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
	}
	for _, name := range o.names {
		c, err := program(name)
		if err != nil {
			return err
		}
		command, err := launch(ctx, c)
		if err != nil {
			return err
		}
		command.Args = append(command.Args, c.args...)
		o.plan.Contenders = append(o.plan.Contenders, measure.Contender{
			Name: c.name, Command: command, WithSessions: c.withSessions, Sessionless: c.sessionless,
		})
		r.Contenders = append(r.Contenders, report.Contender{Name: c.name, Label: c.label, Version: c.version(command.Path)})
	}
	o.plan.Progress = func(what string) { _, _ = fmt.Fprintln(progress, what) }
	if r.Results, err = measure.Run(ctx, &o.plan); err != nil {
		return err
	}
	r.Tables(out)
	if !o.write {
		return nil
	}
	var page bytes.Buffer
	r.Document(&page)
	return os.WriteFile(o.out, page.Bytes(), 0o644) //nolint:gosec // a page of the documentation is for everybody
}
