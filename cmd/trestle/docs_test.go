package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/server"
)

var (
	shBlock   = regexp.MustCompile("(?ms)^```(?:sh)?\n(.*?)^```$")
	shWord    = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	goRun     = regexp.MustCompile(`^go (?:run|build|test)(?: -\S+(?: [\w.]+)?)* \./([\w/-]+)`)
	docServer = "http://127.0.0.1:8080/mcp"
)

// TestDocs_EveryCommandWorks runs what the pages say that a user may type, against
// a server that has what they name.
func TestDocs_EveryCommandWorks(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../examples/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(append(pages, more...), "../../README.md")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	url := serveDocs(t)
	t.Setenv(serveVariable, "docs")
	work := t.TempDir()
	ran := 0
	for _, page := range pages {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range shBlock.FindAllStringSubmatch(string(raw), -1) {
			for line := range strings.Lines(block[1]) {
				line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
				if m := goRun.FindStringSubmatch(line); m != nil {
					if sources, err := filepath.Glob(filepath.Join(root, m[1], "*.go")); err != nil || len(sources) == 0 {
						t.Errorf("%s: %q: there is no such program", page, line)
					}
					continue
				}
				words := shWord.FindAllString(line, -1)
				if len(words) == 0 || words[0] != "trestle" {
					continue
				}
				ran++
				t.Run(filepath.Base(page)+"/"+line, func(t *testing.T) {
					t.Chdir(work)
					for i, w := range words {
						w = strings.Trim(w, `'"`)
						words[i] = strings.NewReplacer(docServer, url, "./calc", os.Args[0]).Replace(w)
					}
					trestle(t, "", words[1:]...).wants(t, exitOK)
				})
			}
		}
	}
	if ran < 10 {
		t.Errorf("found only %d commands", ran)
	}
}

// newDocsServer has what the pages name.
func newDocsServer() (*server.Server, error) {
	srv, err := server.New("calc", "1.0.0", &server.Options{Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	type addIn struct {
		A int `json:"a" jsonschema:"first addend"`
		B int `json:"b" jsonschema:"second addend"`
	}
	_ = server.AddTool(srv, server.Tool{Name: "add", Description: "Add two integers.", ReadOnly: true},
		func(_ context.Context, in addIn) (int, error) { return in.A + in.B, nil })
	_ = server.AddResource(srv, server.Resource{URI: "notes://today", Name: "today", Description: "Today."},
		func(context.Context) (string, error) { return "Nothing yet.", nil })
	_ = server.AddPrompt(srv, server.Prompt{Name: "greet", Description: "Greet somebody."},
		func(_ context.Context, in struct {
			Name string `json:"name" jsonschema:"whom"`
		},
		) (string, error) {
			return "Greet " + in.Name, nil
		})
	return srv, nil // Handler and Run return what went wrong
}

func serveDocs(t *testing.T) string {
	t.Helper()
	srv, err := newDocsServer()
	if err != nil {
		t.Fatal(err)
	}
	return serveHTTP(t, srv)
}
