package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/trestle-mcp/trestle/internal/catalog"
	"github.com/trestle-mcp/trestle/internal/conform"
	"github.com/trestle-mcp/trestle/internal/era"
)

func (a *app) lintCommand() *cobra.Command {
	var without []string
	c := a.targetFlags(&cobra.Command{
		Use:   "lint URL | -- COMMAND",
		Short: "Find what clients and models stumble over in what a server offers",
		Long: `Find what clients and models stumble over in what a server offers: names and schemas
that model providers refuse, missing descriptions, tools that sound destructive and do
not say so. It ends with 1 if there is something.

The rules: ` + strings.Join(catalog.Rules(), ", ") + ".",
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c, args, nil, func(ctx context.Context, s *mcp.ClientSession, rest []string) error {
				if len(rest) > 0 {
					return usage("lint takes one server, not also %q", rest)
				}
				ctx, cancel := a.within(ctx)
				defer cancel()
				all, err := catalog.Fetch(ctx, s)
				if err != nil {
					return err
				}
				found := catalog.Lint(all, without...)
				if a.json {
					if found == nil {
						found = []catalog.Finding{}
					}
					if err := a.printJSON(found); err != nil {
						return err
					}
				} else {
					for _, f := range found {
						a.printf("%s\n", clean(f.String()))
					}
				}
				if len(found) > 0 {
					return &exitError{code: exitFailed}
				}
				return nil
			})
		},
	})
	c.Flags().StringSliceVar(&without, "without", nil, "rules to leave out")
	return c
}

func (a *app) conformCommand() *cobra.Command {
	return a.targetFlags(&cobra.Command{
		Use:   "conform URL | -- COMMAND",
		Short: "Hold a server to the rules that every MCP server keeps",
		Long: `Hold a server to the rules that every MCP server keeps, in both eras of the protocol. It
calls no tool that exists. A server that does not speak one of the eras is held to the
rules of the other. It ends with 1 if a rule is not kept.`,
		RunE: func(c *cobra.Command, args []string) error {
			t, err := parseTarget(c, args)
			if err != nil {
				return err
			}
			if len(t.rest) > 0 {
				return usage("conform takes one server, not also %q", t.rest)
			}
			opts := conform.Options{Each: a.printRule}
			if c.Flags().Changed("timeout") {
				opts.Timeout = a.target.timeout
			}
			var all []conform.Result
			var unspoken []error
			for _, version := range []string{era.LastLegacy, era.FirstModern} {
				results, err := a.conform(c.Context(), t, version, opts)
				if err != nil {
					unspoken = append(unspoken, err)
				}
				all = append(all, results...)
			}
			if len(unspoken) == 2 {
				return &exitError{exitUnreachable, fmt.Errorf("%w; %w", unspoken[0], unspoken[1])}
			}
			return a.judge(all, unspoken)
		},
	})
}

func (a *app) conform(ctx context.Context, t target, version string, opts conform.Options) ([]conform.Result, error) {
	if t.url != "" {
		header, err := a.target.header()
		if err != nil {
			return nil, err
		}
		return conform.Run(ctx, &conform.HTTP{URL: t.url, Header: header}, version, opts)
	}
	end := func() {}
	defer func() { end() }()
	start := func() (io.Writer, io.Reader, error) {
		end()
		in, out, stop, err := a.start(ctx, t.command)
		if err == nil {
			end = stop
		}
		return in, out, err
	}
	in, out, err := start()
	if err != nil {
		return nil, &exitError{exitUnreachable, err}
	}
	wire := conform.NewStdio(in, out)
	wire.Again = start
	return conform.Run(ctx, wire, version, opts)
}

// start starts a command, and returns its standard input and output, and what
// ends it.
func (a *app) start(ctx context.Context, words []string) (io.Writer, io.Reader, func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // what the user asked for
	command.Stderr = a.err
	in, err := command.StdinPipe()
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return in, out, func() {
		_ = in.Close()
		cancel()
		_ = command.Wait() // it was ended
	}, nil
}

// printRule writes how a rule was kept, for people.
func (a *app) printRule(r conform.Result) {
	if a.json {
		return
	}
	color := green
	switch {
	case !r.OK():
		color = red
	case r.Skipped != "":
		color = faint
	}
	a.printf("%s\n", a.paint(color, clean(r.String())))
}

// judge sums the results up, and fails if there is a rule that was not kept.
func (a *app) judge(all []conform.Result, unspoken []error) error {
	failed := 0
	for _, r := range all {
		if !r.OK() {
			failed++
		}
	}
	if a.json {
		if err := a.printJSON(all); err != nil {
			return err
		}
	} else {
		for _, err := range unspoken {
			a.printf("%s\n", clean(err.Error()))
		}
		a.printf("%d rules, %d not kept\n", len(all), failed)
	}
	if failed > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}
