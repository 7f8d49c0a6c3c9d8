// Command conformance runs the official MCP conformance suite against a server
// and judges the result files the suite leaves.
//
// It starts the server's binary with "-addr 127.0.0.1:0", finds the server's
// URL in what it prints, and runs the suite once for each protocol version of
// the requirements file. It fails when a check failed, when a scenario the
// suite lists for that version left no result, and when there were fewer
// scenarios or passed checks than required: a suite that runs less is no pass.
//
// With -guarded it then does all of that again with a server that it gave a
// token to ask for, with "-token TOKEN", through a proxy that adds the token.
//
// scripts/conformance prepares everything and calls it.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// timeout bounds everything: four runs take about ten seconds together.
const timeout = 5 * time.Minute

// requirement is the least one protocol version must show.
type requirement struct {
	Version   string `json:"version"`
	Scenarios int    `json:"scenarios"`
	Passed    int    `json:"passed"`
}

type config struct {
	server   string // the binary of the server under test
	suite    suite
	required string // the requirements file
	out      string // a directory for results and logs
	guarded  bool   // again with a server that wants a token
}

func main() {
	var c config
	flag.StringVar(&c.server, "server", "", "binary of the server under test")
	flag.StringVar(&c.suite.node, "node", "node", "binary of Node.js, version 22 or newer")
	flag.StringVar(&c.suite.index, "suite", "", "index.js of the conformance suite")
	flag.StringVar(&c.required, "required", "conformance/required.json", "what each protocol version must show")
	flag.StringVar(&c.out, "out", "", "directory for results and logs")
	flag.BoolVar(&c.guarded, "guarded", false, "run all of it again with a server that wants a token")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	err := run(ctx, c, os.Stdout)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run reports to w and returns an error unless every requirement is met.
func run(ctx context.Context, c config, w io.Writer) error {
	required, err := readRequirements(c.required)
	if err != nil {
		return err
	}
	err = runServer(ctx, c, required, w)
	if !c.guarded {
		return err
	}
	fmt.Fprint(w, "With a server that wants a token:\n\n")
	c.out = filepath.Join(c.out, "guarded")
	if e := os.MkdirAll(c.out, 0o750); e != nil {
		return errors.Join(err, e)
	}
	if e := runGuarded(ctx, c, required, w); e != nil {
		err = errors.Join(err, fmt.Errorf("guarded: %w", e))
	}
	return err
}

// runServer starts the server and tests it at every version.
func runServer(ctx context.Context, c config, required []requirement, w io.Writer) error {
	srv, err := startServer(ctx, c.server, filepath.Join(c.out, "server.log"))
	if err != nil {
		return err
	}
	defer srv.stop()
	return runVersions(ctx, c, srv, srv.url, required, w)
}

// runGuarded is runServer for a server that wants a token.
func runGuarded(ctx context.Context, c config, required []requirement, w io.Writer) error {
	token := rand.Text()
	srv, err := startServer(ctx, c.server, filepath.Join(c.out, "server.log"), "-token", token)
	if err != nil {
		return err
	}
	defer srv.stop()
	if err := refusesAnonymous(ctx, srv.url); err != nil {
		return err
	}
	p, err := startProxy(ctx, srv.url, token)
	if err != nil {
		return err
	}
	defer p.stop()
	return runVersions(ctx, c, srv, p.url, required, w)
}

func runVersions(ctx context.Context, c config, srv *server, url string, required []requirement, w io.Writer) error {
	var failed []error
	for _, req := range required {
		problems, err := runVersion(ctx, c, url, req, w)
		if err != nil {
			return fmt.Errorf("%s: %w", req.Version, err)
		}
		for _, p := range problems {
			failed = append(failed, fmt.Errorf("%s: %s", req.Version, p))
		}
	}
	if !srv.alive() {
		failed = append(failed, errors.New("the server ended during the run"))
	}
	return errors.Join(failed...)
}

// runVersion runs the suite at one protocol version and returns what is wrong.
func runVersion(ctx context.Context, c config, url string, req requirement, w io.Writer) ([]string, error) {
	listed, err := c.suite.list(ctx, req.Version)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(c.out, req.Version)
	runErr := c.suite.run(ctx, req.Version, url, dir)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	results, err := readResults(dir)
	if err != nil {
		return nil, err
	}
	report(w, req, listed, results)
	return judge(req, listed, results, runErr), nil
}

func readRequirements(file string) ([]requirement, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // named by the caller on the command line
	if err != nil {
		return nil, err
	}
	var required []requirement
	if err := json.Unmarshal(raw, &required); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(required) == 0 {
		return nil, fmt.Errorf("%s requires nothing", file)
	}
	return required, nil
}
