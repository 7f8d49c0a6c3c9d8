package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trestle-mcp/trestle/cmd/trestle/internal/scaffold"
)

func (a *app) newCommand() *cobra.Command {
	var template, module, checkout string
	c := &cobra.Command{
		Use:   "new DIRECTORY",
		Short: "Make a server to start from",
		Long: `Make a server to start from: a module of its own with tests, a Makefile, a Dockerfile and a
workflow for CI. The templates are Trestle's examples:

` + scaffold.Describe(),
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[0]
			if module == "" {
				module = filepath.Base(filepath.Clean(dir))
			}
			if !moduleName.MatchString(module) {
				return usage("--module %q is no module path; it has letters, digits and -._~/", module)
			}
			p := scaffold.Project{Template: template, Module: module, Version: version(), Checkout: checkout}
			if !slices.Contains(scaffold.Templates(), template) {
				return usage("--template %q: the templates are %s", template, strings.Join(scaffold.Templates(), ", "))
			}
			if p.Checkout == "" {
				p.Checkout = scaffold.FindCheckout()
			}
			if err := p.Write(dir); err != nil {
				return err
			}
			tidy(c.Context(), dir)
			a.printf("%s is a server to start from. Next:\n\n  cd %s\n  go test ./...\n  %s     # http://127.0.0.1:8080/mcp\n\nREADME.md says what is in it.\n", dir, dir, p.Run())
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&template, "template", "t", "minimal", "which example to start from: "+strings.Join(scaffold.Templates(), ", "))
	f.StringVar(&module, "module", "", "the module's path (default: the directory's name)")
	f.StringVar(&checkout, "trestle", "", "a checkout of Trestle to build with, instead of a released version")
	return c
}

var moduleName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._~/-]*$`)

// tidy leaves only what the server needs in its go.mod, as far as that is known
// without a network. What is there builds without it, too.
func tidy(ctx context.Context, dir string) {
	command := exec.CommandContext(ctx, "go", "mod", "tidy")
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=-mod=mod")
	before := map[string][]byte{}
	for _, name := range []string{"go.mod", "go.sum"} {
		before[name], _ = os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // was just written
	}
	if err := command.Run(); err != nil {
		for name, content := range before {
			_ = os.WriteFile(filepath.Join(dir, name), content, 0o600) // as it was
		}
	}
}
