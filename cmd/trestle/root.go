package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/spf13/cobra"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// The exit codes, as `trestle help` tells them.
const (
	exitOK          = 0
	exitFailed      = 1   // the server refused, or did not keep to something
	exitUsage       = 2   // the command line is wrong
	exitUnreachable = 3   // no server, or not one that speaks MCP
	exitInterrupted = 130 // by a signal
)

const exitHelp = `Exit codes: 0 all is well; 1 the server refused, or something was found;
2 the command line is wrong; 3 no MCP server answers; 130 interrupted.`

type streams struct {
	in       io.Reader
	out, err io.Writer
}

// An exitError ends the program with a code.
type exitError struct {
	code int
	err  error // nil: all has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "failed"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// run runs a command line and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	a := &app{streams: s}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return exitInterrupted
	case !errors.As(err, &exit):
		exit = &exitError{exitFailed, err}
		if !a.started { // cobra's own complaints
			exit.code = exitUsage
		}
	}
	if refusal, ok := errors.AsType[*jsonrpc.Error](exit.err); ok && exit.code == exitFailed {
		exit.err = errors.New(clean(mcperrors.From(refusal).Error())) // what the server said, without the way it came
	}
	if exit.err != nil {
		_, _ = fmt.Fprintln(s.err, "trestle:", exit.err) // where nobody reads it, nobody is told
	}
	return exit.code
}

// An app is one run of the program.
type app struct {
	streams

	json    bool
	target  targetFlags
	started bool // the command line was understood
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:     "trestle",
		Short:   "Make MCP servers, and look at any of them",
		Version: version(),
		Long: `Make MCP servers, and look at any of them.

A server is a URL, or a command behind "--" that speaks MCP on its standard input
and output:

  trestle inspect http://127.0.0.1:8080/mcp
  trestle call add a=1 b=2 -- ./calc

` + exitHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.started = true
		},
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON")
	root.AddCommand(a.inspectCommand(), a.callCommand(), a.readCommand(), a.promptCommand(), a.watchCommand(),
		a.lintCommand(), a.conformCommand(), a.loadCommand(), a.newCommand(), a.installCommand())
	return root
}
