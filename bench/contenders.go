package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/trestle-mcp/trestle/bench/internal/measure"
	"github.com/trestle-mcp/trestle/bench/internal/report"
)

// modulePath is where the contenders' programs are.
const modulePath = "github.com/trestle-mcp/trestle/bench/"

// A contender is a server, and how it is made.
type contender struct {
	name, label  string
	program      string // package, below modulePath
	library      string // module whose version is told; may be empty
	args         []string
	withSessions []string
	sessionless  bool
}

func contenders() []contender {
	return []contender{
		{name: report.Floor, label: "net/http + encoding/json (the floor)", program: "peers/floor", sessionless: true},
		{
			name: report.GoSDK, label: "go-sdk", program: "peers/gosdk",
			library: "github.com/modelcontextprotocol/go-sdk", withSessions: []string{"-sessions"},
		},
		{
			name: report.MCPGo, label: "mcp-go", program: "peers/mcpgo",
			library: "github.com/mark3labs/mcp-go", withSessions: []string{"-sessions"},
		},
		{name: report.Bare, label: "Trestle, bare", program: "server", args: []string{"-stack", "bare"}},
		{name: report.Production, label: "Trestle, production stack", program: "server", args: []string{"-stack", "production"}},
	}
}

func contenderNames() (names []string) {
	for _, c := range contenders() {
		names = append(names, c.name)
	}
	return names
}

// program returns the contender with a name.
func program(name string) (contender, error) {
	for _, c := range contenders() {
		if c.name == name {
			return c, nil
		}
	}
	return contender{}, fmt.Errorf("contender: %q is none of %v", name, contenderNames())
}

// A launcher makes the program of c ready, and returns how to start it without
// c's arguments.
type launcher func(ctx context.Context, c contender) (measure.Command, error)

// build returns a launcher that compiles programs to dir: each contender has
// its own, so that no other's packages are in its memory.
func build(dir string) launcher {
	return func(ctx context.Context, c contender) (measure.Command, error) {
		path := filepath.Join(dir, filepath.Base(c.program)+".exe") // a name that every system starts
		if _, err := os.Stat(path); err == nil {                    // another contender is the same program
			return measure.Command{Path: path}, nil
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-o", path, modulePath+c.program) //nolint:gosec // packages of this module
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return measure.Command{}, fmt.Errorf("building %s: %w", c.program, err)
		}
		return measure.Command{Path: path}, nil
	}
}

// version returns which version of c's library is linked to path, "" if that
// is not known.
func (c contender) version(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil || c.library == "" {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == c.library {
			return m.Version
		}
	}
	return ""
}
