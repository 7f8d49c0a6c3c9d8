package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
			for _, name := range []string{"go.mod", "Makefile", "README.md", ".gitignore", ".github/workflows/ci.yml"} {
				if content := read(t, dir, name); strings.Contains(content, "[[") {
					t.Errorf("%s: %s", name, content)
				}
			}
			dockerfile := regexp.MustCompile(`docker build -f (\S+)`).FindStringSubmatch(read(t, dir, "Makefile"))
			if len(dockerfile) == 0 {
				t.Fatal("make docker names no Dockerfile")
			}
			read(t, dir, dockerfile[1])
			readmeIsTrue(t, dir, template)
			inDir(t, dir, "vet", "./...") // which compiles the tests, too
		})
	}
}

// readmeIsTrue looks for what a README says of the repository that the template
// comes from, and for files that it names and that are not there.
func readmeIsTrue(t *testing.T, dir, template string) {
	t.Helper()
	readme := read(t, dir, "README.md")
	for _, of := range []string{"examples/" + template, "](../"} {
		if strings.Contains(readme, of) {
			t.Errorf("README.md has %q:\n%s", of, readme)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^):]+)\)`).FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(filepath.Join(dir, link[1])); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(readme, "\ngo run .") {
		t.Errorf("README.md does not say how to run it:\n%s", readme)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

func TestNew_ItIsCalledAsTheModule(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "greeter")
	trestle(t, "", "new", dir).wants(t, exitOK, "go run . -addr 127.0.0.1:8080")
	if main := read(t, dir, "main.go"); !strings.Contains(main, `server.New("greeter"`) || strings.Contains(main, "minimal") {
		t.Error(main)
	}
}

func TestNew_ItsTestsPass(t *testing.T) {
	for _, template := range scaffold.Templates() {
		t.Run(template, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made")
			trestle(t, "", "new", dir, "--template", template).wants(t, exitOK)
			inDir(t, dir, "test", "./...")
		})
	}
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

// What docs/start.md says is done to the letter: its tool goes into main.go, its
// test into main_test.go.
func TestNew_TheTenMinutesWork(t *testing.T) {
	page, err := os.ReadFile("../../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of code", len(blocks))
	}
	dir := filepath.Join(t.TempDir(), "calc")
	trestle(t, "", "new", dir).wants(t, exitOK)
	before, rest, found := strings.Cut(read(t, dir, "main.go"), "// newServer returns")
	_, after, alsoFound := strings.Cut(rest, "func main()")
	if !found || !alsoFound {
		t.Fatal("main.go has no newServer before its main")
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("main.go", before+blocks[0][1]+"\n"+blocks[1][1]+"\nfunc main()"+after)
	write("main_test.go", read(t, dir, "main_test.go")+"\n"+blocks[2][1])
	inDir(t, dir, "test", "-run", "TestDivide|TestAdd", "./...")
	if source := read(t, dir, "main_test.go"); !strings.Contains(source, "func TestDivide") {
		t.Error(source)
	}
}
