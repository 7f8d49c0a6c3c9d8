package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/trestle-mcp/trestle/internal/load"
)

// loadFlags are a plan as the command line has it.
type loadFlags struct {
	args     string
	clients  int
	rate     float64
	duration time.Duration
	calls    int
	html     string
}

func (a *app) loadCommand() *cobra.Command {
	var f loadFlags
	c := a.targetFlags(&cobra.Command{
		Use:   "load URL TOOL [NAME=VALUE ...]",
		Short: "Call a tool over and over, and measure the answers",
		Long: `Call a tool over and over, from many clients at the same time, and measure the answers.

Arguments are as with call; "{n}" in them is replaced by the number of the call. By
default each client calls again when it has its answer; with --rate calls begin at that
rate, and those that have to wait count from when they should have begun. It ends with 1
if a call failed.

Load only servers that are yours.`,
		RunE: func(c *cobra.Command, args []string) error {
			t, err := parseTarget(c, args)
			if err != nil {
				return err
			}
			if t.url == "" || len(t.rest) == 0 {
				return usage("load takes the URL of a server, and a tool")
			}
			return a.load(c.Context(), t, f)
		},
	})
	flags := c.Flags()
	flags.StringVar(&f.args, "args", "", "all arguments as a JSON object, or @FILE, or @-")
	flags.IntVarP(&f.clients, "clients", "c", 16, "how many call at the same time")
	flags.Float64VarP(&f.rate, "rate", "r", 0, "calls a second by all clients together; 0: as fast as they are answered")
	flags.DurationVarP(&f.duration, "duration", "d", 10*time.Second, "how long; 0: until --calls")
	flags.IntVarP(&f.calls, "calls", "n", 0, "how many calls; 0: until --duration")
	flags.StringVar(&f.html, "html", "", "write a report with plots to this file")
	return c
}

func (a *app) load(ctx context.Context, t target, f loadFlags) error {
	arguments, err := a.loadArguments(ctx, t, f.args)
	if err != nil {
		return err
	}
	header, err := a.target.header()
	if err != nil {
		return err
	}
	plan := load.Plan{
		Clients: f.clients, Rate: f.rate, Duration: f.duration, Calls: f.calls, Timeout: a.target.timeout,
		Mix: []load.Call{{Tool: t.rest[0], Args: arguments}},
	}
	if bar := newBar(a.err, f); bar != nil {
		plan.Progress = bar.show
		defer bar.end()
	}
	report, err := load.Run(ctx, load.Target{URL: t.url, Header: header, Version: a.target.version}, plan)
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	if f.html != "" {
		if err := writeHTML(f.html, t.url, t.rest[0], report); err != nil {
			return err
		}
	}
	if a.json {
		err = a.printJSON(report)
	} else {
		a.printf("%s\n%s", clean(report.String()), histogram(report))
	}
	if err == nil && report.Failed > 0 {
		err = &exitError{code: exitFailed}
	}
	return err
}

// loadArguments returns the arguments of the n-th call.
func (a *app) loadArguments(ctx context.Context, t target, raw string) (func(n int) any, error) {
	var given any
	var err error
	if raw != "" || len(t.rest) == 1 {
		given, err = a.givenArguments(ctx, nil, t.rest[0], raw, t.rest[1:])
	} else {
		var s *mcp.ClientSession
		if s, err = a.connect(ctx, t, nil); err != nil {
			return nil, err
		}
		defer func() { _ = s.Close() }() // the server may have closed it first
		// A number stands in for {n}, so that it is taken as what the schema wants.
		var pairs []string
		for _, pair := range t.rest[1:] {
			pairs = append(pairs, strings.ReplaceAll(pair, "{n}", standIn))
		}
		given, err = a.givenArguments(ctx, s, t.rest[0], "", pairs)
	}
	if err != nil {
		return nil, err
	}
	whole, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	for _, stand := range []string{"{n}", standIn} {
		if bytes.Contains(whole, []byte(stand)) {
			return func(n int) any {
				return json.RawMessage(bytes.ReplaceAll(whole, []byte(stand), []byte(strconv.Itoa(n))))
			}, nil
		}
	}
	return func(int) any { return json.RawMessage(whole) }, nil
}

// standIn is a number that nobody gives, below 2^53 for all who decode it.
const standIn = "7310195538244461"

// histogram draws the latencies with a bar for each step.
func histogram(r *load.Report) string {
	const width = 50
	var most int64
	for _, b := range r.Histogram {
		most = max(most, b.Calls)
	}
	if most == 0 {
		return ""
	}
	var s strings.Builder
	for _, b := range r.Histogram {
		bar := strings.Repeat("█", int(b.Calls*width/most))
		if bar == "" && b.Calls > 0 {
			bar = "▏"
		}
		fmt.Fprintf(&s, "  ≤ %8s  %-*s %d\n", b.UpTo.Round(rounding(b.UpTo)), width, bar, b.Calls)
	}
	return s.String()
}

// rounding leaves three digits of d.
func rounding(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return unit
}

// A bar shows on a terminal how far a run is.
type bar struct {
	w    *os.File
	plan loadFlags
}

func newBar(w any, f loadFlags) *bar {
	file, ok := w.(*os.File)
	if !ok || !terminal(file) {
		return nil
	}
	return &bar{file, f}
}

func (b *bar) show(r *load.Report) {
	const width = 30
	share := 0.0
	if b.plan.duration > 0 {
		share = float64(r.Elapsed) / float64(b.plan.duration)
	}
	if b.plan.calls > 0 {
		share = max(share, float64(r.Calls)/float64(b.plan.calls))
	}
	full := int(min(share, 1) * width)
	_, _ = fmt.Fprintf(b.w, "\r\x1b[K%s%s %3.0f %%  %d calls, %.0f a second, p99 %v, %d failed",
		strings.Repeat("█", full), strings.Repeat("░", width-full), 100*min(share, 1), r.Calls, r.Rate, r.P99.Round(rounding(r.P99)), r.Failed)
}

func (b *bar) end() { _, _ = fmt.Fprint(b.w, "\r\x1b[K") }
