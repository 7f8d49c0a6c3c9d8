package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/cmd/trestle/internal/scaffold"
)

// inDir runs go in a made project, without the network.
func inDir(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestNew_EveryTemplateIsAModuleThatBuilds(t *testing.T) {
	for _, template := range scaffold.Templates() {
		t.Run(template, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made")
			trestle(t, "", "new", dir, "--template", template, "--module", "example.com/some/made").wants(t, exitOK, "go test ./...")
			for _, name := range []string{"go.mod", "Makefile", "Dockerfile", "README.md", ".gitignore", ".github/workflows/ci.yml"} {
				content, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Error(err)
				}
				if strings.Contains(string(content), "[[") {
					t.Errorf("%s: %s", name, content)
				}
			}
			inDir(t, dir, "vet", "./...") // which compiles the tests, too
		})
	}
}

func TestNew_ItsTestsPass(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	trestle(t, "", "new", dir).wants(t, exitOK)
	inDir(t, dir, "test", "./...")
}

func TestNew_WorksInsideOfAnotherWorkspace(t *testing.T) {
	above := t.TempDir()
	if err := os.WriteFile(filepath.Join(above, "go.work"), []byte("go 1.26.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(above, "made")
	trestle(t, "", "new", dir).wants(t, exitOK)
	inDir(t, dir, "build", "./...")
}

func TestNew_LeavesAloneWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	trestle(t, "", "new", dir).wants(t, exitFailed, "not empty")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	trestle(t, "", "new").wants(t, exitUsage)
	trestle(t, "", "new", filepath.Join(dir, "a"), "--template", "nosuch").wants(t, exitUsage, "minimal")
	trestle(t, "", "new", filepath.Join(dir, "a"), "--module", "no module").wants(t, exitUsage, "no module path")
}
