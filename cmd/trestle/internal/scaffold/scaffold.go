// Package scaffold makes projects from Trestle's examples.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"

	"github.com/trestle-mcp/trestle/examples"
)

const (
	trestle  = "github.com/trestle-mcp/trestle"
	exampleP = trestle + "/examples/"
)

// A choice is a template, what it is for, and with which flags it serves HTTP on
// loopback for everybody who may try it.
type choice struct{ name, about, flags string }

var choices = []choice{
	{"minimal", "one tool and its tests", " -addr 127.0.0.1:8080"},
	{"secured", "tokens, roles, scopes, limits and an audit", ""},
	{"plugins", "tools that come and go: in code, from YAML, from an OpenAPI document", ""},
	{"production", "everything on, with systemd, Kubernetes and Docker", " -no-auth"},
	{"ledger", "state as events, with snapshots, a projection and transfers that survive a kill", ""},
}

// Templates are the names of the templates, the default one first.
func Templates() []string {
	var names []string
	for _, c := range choices {
		names = append(names, c.name)
	}
	return names
}

// Describe says what each template is for, a line each.
func Describe() string {
	var b strings.Builder
	for _, c := range choices {
		fmt.Fprintf(&b, "  %-12s %s\n", c.name, c.about)
	}
	return b.String()
}

// A Project is what to make.
type Project struct {
	Template string
	Module   string // path of its module
	Version  string // of Trestle, where it is a released one
	Checkout string // of Trestle, to build with instead; "" if there is none
}

// Name is what the project's program is called.
func (p Project) Name() string { return path.Base(p.Module) }

// Run is the command that serves HTTP on loopback.
func (p Project) Run() string {
	for _, c := range choices {
		if c.name == p.Template {
			return "go run ." + c.flags
		}
	}
	return "go run ."
}

// Dockerfile is where the project's Dockerfile is: the template's own, or the one
// that projects get.
func (p Project) Dockerfile() string {
	const own = "deploy/Dockerfile"
	if _, err := fs.Stat(examples.Files, p.Template+"/"+own); err == nil {
		return own
	}
	return "Dockerfile"
}

//go:embed all:files
var files embed.FS

// Write makes the project in a directory, which must not exist or be empty. It
// makes all of it, or takes back what it made.
func (p Project) Write(dir string) (err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: a project is made in a directory of its own", dir)
	}
	made := map[string][]byte{}
	if err := p.example(made); err != nil {
		return err
	}
	if err := p.around(made); err != nil {
		return err
	}
	if made["go.mod"], err = p.module(); err != nil {
		return err
	}
	if made["go.sum"], err = examples.Files.ReadFile("go.sum"); err != nil {
		return err
	}
	if inWorkspace(dir) {
		made["go.work"] = []byte("go 1.26.0\n\nuse .\n") // the one above does not know this module
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir) // the error says why
		}
	}()
	for name, content := range made {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // a project is for others to read
			return err
		}
	}
	return nil
}

// example takes the files of the example, with imports of the project's own.
func (p Project) example(made map[string][]byte) error {
	return fs.WalkDir(examples.Files, p.Template, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := examples.Files.ReadFile(name)
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".go":
			content = bytes.ReplaceAll(content, []byte(exampleP+p.Template), []byte(p.Module))
			content = bytes.ReplaceAll(content, []byte(`server.New("`+p.Template+`"`), []byte(`server.New("`+p.Name()+`"`))
			content = bytes.ReplaceAll(content, []byte("// Command "+p.Template+" "), []byte("// Command "+p.Name()+" "))
		case ".md":
			content = bytes.ReplaceAll(content, []byte("](../../"), []byte("](https://"+trestle+"/blob/main/"))
		}
		content = bytes.ReplaceAll(content, []byte("./examples/"+p.Template), []byte("."))
		content = bytes.ReplaceAll(content, []byte(" examples/"+p.Template+"/"), []byte(" ")) // files, in commands
		made[strings.TrimPrefix(name, p.Template+"/")] = content
		return nil
	})
}

// around adds what every project has, where the example has none of its own.
func (p Project) around(made map[string][]byte) error {
	return fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		to := strings.TrimSuffix(strings.TrimPrefix(name, "files/"), ".tmpl")
		if _, there := made[to]; there || (to == "Dockerfile" && p.Dockerfile() != to) {
			return nil
		}
		t, err := template.New(to).Delims("[[", "]]").Parse(string(raw))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return err
		}
		made[to] = b.Bytes()
		return nil
	})
}

// module writes the go.mod: that of the examples, under another name, with
// Trestle from its checkout or as a released version.
func (p Project) module() ([]byte, error) {
	raw, err := examples.Files.ReadFile("go.mod")
	if err != nil {
		return nil, err
	}
	m, err := modfile.Parse("go.mod", raw, nil)
	if err != nil {
		return nil, err
	}
	if err := m.AddModuleStmt(p.Module); err != nil {
		return nil, err
	}
	for _, r := range m.Replace {
		old, target := r.Old, r.New.Path
		if err := m.DropReplace(old.Path, old.Version); err != nil {
			return nil, err
		}
		switch {
		case p.Checkout != "": // relative to examples/, which is in the checkout
			err = m.AddReplace(old.Path, "", filepath.Join(p.Checkout, "examples", filepath.FromSlash(target)), "")
		case released(p.Version):
			err = m.AddRequire(old.Path, p.Version)
		default:
			err = errors.New("this trestle is no released version, and its checkout is not found: name it with --trestle")
		}
		if err != nil {
			return nil, err
		}
	}
	m.Cleanup()
	return m.Format()
}

func released(version string) bool {
	return strings.HasPrefix(version, "v") && !strings.Contains(version, "+dirty") && !strings.HasPrefix(version, "v0.0.0-")
}
