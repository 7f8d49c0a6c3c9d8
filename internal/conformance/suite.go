package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// suite is an installed conformance suite.
type suite struct {
	node  string // the Node.js that runs it
	index string // its index.js
}

// scenarioLine is a line of the suite's list: "  - tools-list [2025-11-25]".
var scenarioLine = regexp.MustCompile(`(?m)^  - (\S+)`)

// list returns the server scenarios the suite has for version. Scenarios of
// extensions belong to no version: they are not in it.
func (s suite) list(ctx context.Context, version string) ([]string, error) {
	out, err := s.command(ctx, "list", "--server", "--spec-version", version).Output()
	if err != nil {
		return nil, fmt.Errorf("the suite's list: %w", err)
	}
	var names []string
	for _, match := range scenarioLine.FindAllSubmatch(out, -1) {
		names = append(names, string(match[1]))
	}
	return names, nil
}

// run runs all scenarios of version against url. The results go to dir, which
// it empties first, the suite's words to dir.log.
func (s suite) run(ctx context.Context, version, url, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	log, err := os.Create(dir + ".log") //nolint:gosec // beside the directory the caller gave
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command(ctx, "server", "--url", url, "--suite", "all", "--spec-version", version, "-o", dir)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

func (s suite) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.node, append([]string{s.index}, args...)...) //nolint:gosec // what the caller installed
	cmd.WaitDelay = 5 * time.Second
	return cmd
}
