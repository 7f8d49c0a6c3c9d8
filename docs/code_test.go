package docs_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Go code on a page stands between ```go and ```. It is a whole file,
// declarations, or statements. What it uses and the page does not show, such as a
// variable of an earlier block, is declared in a comment of the page that readers
// do not see: <!-- go ... -->. In a block "…" stands for what is left out.
var (
	goBlock   = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	goPrelude = regexp.MustCompile(`(?ms)^<!-- go\n(.*?)^-->$`)
	ellipsis  = regexp.MustCompile(`(?m)^\s*(\.\.\.|…)\s*$`)
)

// packages are what code on a page may use, by the name it uses.
var packages = map[string]string{
	"bytes": "bytes", "context": "context", "errors": "errors", "flag": "flag", "fmt": "fmt", "http": "net/http", "json": "encoding/json",
	"log": "log", "os": "os", "slices": "slices", "slog": "log/slog", "strings": "strings", "testing": "testing", "time": "time", "synctest": "testing/synctest",
	"mcp": "github.com/modelcontextprotocol/go-sdk/mcp", "jsonschema": "github.com/google/jsonschema-go/jsonschema", "zap": "go.uber.org/zap",
	"jsonrpc":   "github.com/modelcontextprotocol/go-sdk/jsonrpc",
	"mcperrors": "github.com/trestle-mcp/trestle/errors", "pgxpool": "github.com/jackc/pgx/v5/pgxpool", "rueidis": "github.com/redis/rueidis",
	"promhttp": "github.com/prometheus/client_golang/prometheus/promhttp", "sql": "database/sql", "pgx": "github.com/jackc/pgx/v5", "rand": "crypto/rand",
	"sdktrace": "go.opentelemetry.io/otel/sdk/trace",
}

// ours are directories of packages that code on a page may use by their names.
var ours = []string{
	".", "auth", "eventstore", "health", "mcptest", "middleware", "plugin", "pool", "schema", "secret", "server", "shutdown", "transport",
}

func TestCode_OnEveryPageCompiles(t *testing.T) {
	pages := []string{"../README.md"}
	for _, pattern := range []string{"*.md", "../examples/*/README.md", "../*/README.md", "../adapter/*/README.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	slices.Sort(pages)
	c := newChecker(t)
	blocks := 0
	for _, page := range slices.Compact(pages) {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), "\r\n", "\n")
		var prelude strings.Builder
		for _, m := range goPrelude.FindAllStringSubmatch(text, -1) {
			prelude.WriteString(m[1])
		}
		for _, m := range goBlock.FindAllStringSubmatchIndex(text, -1) {
			blocks++
			line := 1 + strings.Count(text[:m[2]], "\n")
			if err := c.check(prelude.String(), text[m[2]:m[3]]); err != nil {
				t.Errorf("%s:%d: %v", page, line, err)
			}
		}
	}
	if blocks < 10 {
		t.Errorf("found only %d blocks of code", blocks)
	}
	if err := c.check("", "server.AddNothing()"); err == nil {
		t.Error("wrong code compiles")
	}
}

// A checker compiles code against the packages of the workspace.
type checker struct {
	known    map[string]string // names of packages to their paths
	importer types.Importer
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{known: maps.Clone(packages)}
	var subpackages []string
	for _, dir := range append(ours, "adapter") {
		found, err := filepath.Glob(filepath.Join("..", dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range append(found, filepath.Join("..", dir)) {
			sources, err := filepath.Glob(filepath.Join(sub, "*.go"))
			name := filepath.Base(sub)
			if err != nil || len(sources) == 0 || name == ".." || name == "errors" || name == "internal" || name == "testdata" {
				continue
			}
			c.known[name] = "github.com/trestle-mcp/trestle/" + filepath.ToSlash(strings.TrimPrefix(sub, ".."+string(filepath.Separator)))
			subpackages = append(subpackages, c.known[name])
		}
	}
	paths := slices.Clone(subpackages)
	for _, path := range packages {
		paths = append(paths, path)
	}
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-e", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, paths...)...)
	list.Dir = ".." // where the workspace is
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			exports[path] = file
		}
	}
	c.importer = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		file, ok := exports[path]
		if !ok {
			return nil, fmt.Errorf("no package %q", path)
		}
		return os.Open(file)
	})
	return c
}

// check compiles a block in every way in which it may be meant, and returns the
// error of the best.
func (c *checker) check(prelude, block string) error {
	block = ellipsis.ReplaceAllString(block, "")
	block = strings.ReplaceAll(block, "{ … }", `{ panic("") }`)
	if regexp.MustCompile(`(?m)^package `).MatchString(block) {
		return c.compile(block)
	}
	var failure error
	ways := []string{
		"%s",
		"func _() { %s\n}",
		"func _() error { %s\npanic(0) }",
		"func _() (Out, error) { %s\npanic(0) }",
	}
	for _, way := range ways {
		source := fmt.Sprintf(way, "\n"+block)
		err := c.compile("package page\n" + prelude + "\n" + source)
		if err == nil || c.compile("package page\n"+source) == nil { // a page may declare again what it shows
			return nil
		}
		if failure == nil || strings.Contains(failure.Error(), "expected declaration") || strings.Contains(failure.Error(), "too many return values") {
			failure = err
		}
	}
	return failure
}

// compile type-checks one file, with imports for the packages that it uses. What
// is declared and not used is no mistake on a page.
func (c *checker) compile(source string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "page.go", source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if !strings.Contains(source, "import (") && !strings.Contains(source, "import \"") {
		c.addImports(file)
	}
	var mistakes []error
	config := types.Config{Importer: c.importer, Error: func(err error) {
		if e, ok := err.(types.Error); !ok || !e.Soft { //nolint:errorlint // the checker hands over just this
			mistakes = append(mistakes, err)
		}
	}}
	_, _ = config.Check("page", files, []*ast.File{file}, nil) // its errors came one by one
	if len(mistakes) > 0 {
		return mistakes[0]
	}
	return nil
}

// addImports imports each package whose name is used as one.
func (c *checker) addImports(file *ast.File) {
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && c.known[name.Name] != "" {
				used[name.Name] = true
			}
		}
		return true
	})
	imports := &ast.GenDecl{Tok: token.IMPORT}
	for name := range used {
		spec := &ast.ImportSpec{Name: ast.NewIdent(name), Path: &ast.BasicLit{Kind: token.STRING, Value: fmt.Sprintf("%q", c.known[name])}}
		imports.Specs = append(imports.Specs, spec)
		file.Imports = append(file.Imports, spec)
	}
	file.Decls = append([]ast.Decl{imports}, file.Decls...)
}
