package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func testServer(t *testing.T) *server.Server {
	t.Helper()
	dir, outside := t.TempDir(), t.TempDir()
	files := map[string]string{
		filepath.Join(dir, "poem.txt"):            "one\ntwo\nHello world\nfour\nfive\nsix\n",
		filepath.Join(dir, "sub dir", "deep.txt"): "hello again",
		filepath.Join(dir, "binary"):              "hello\x00",
		filepath.Join(dir, ".git", "config"):      "hello secret",
		filepath.Join(outside, "secret"):          "canary",
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	srv, err := newServer(dir, &server.Options{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func TestQuickstart_SearchesAndReads(t *testing.T) {
	mcptest.Matrix(t, testServer(t), func(t *testing.T, c *mcptest.Client) {
		var found struct{ Result []Match }
		c.Call("search", SearchIn{"HELLO"}).OK().Decode(&found)
		if len(found.Result) != 2 {
			t.Fatalf("found %+v", found)
		}
		if m := found.Result[0]; m.Path != "poem.txt" || m.Line != 3 || m.Lines != "one\ntwo\nHello world\nfour\nfive" {
			t.Errorf("found %+v", m)
		}
		c.Call("search", SearchIn{"nowhere"}).OK().Decode(&found)
		if len(found.Result) != 0 {
			t.Errorf("found %+v", found)
		}
		for _, tt := range []struct {
			in   map[string]any
			want string
		}{
			{map[string]any{"path": "poem.txt", "start": 2, "end": 3}, "two\nHello world\n"},
			{map[string]any{"path": "poem.txt", "start": 5}, "five\nsix\n"},
			{map[string]any{"path": "poem.txt", "end": 1}, "one\n"},
			{map[string]any{"path": "poem.txt", "start": 100}, ""},
			{map[string]any{"path": "sub dir/deep.txt"}, "hello again"},
		} {
			if got := c.Call("read_file", tt.in).OK().Text(); got != tt.want {
				t.Errorf("%v: %q, want %q", tt.in, got, tt.want)
			}
		}
		res, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "file:///sub%20dir/deep.txt"})
		if err != nil || res.Contents[0].Text != "hello again" {
			t.Errorf("resource: %+v, %v", res, err)
		}
		prompt, err := c.GetPrompt(t.Context(), &mcp.GetPromptParams{Name: "explain_file", Arguments: map[string]string{"path": "poem.txt"}})
		if err != nil || !strings.Contains(prompt.Messages[0].Content.(*mcp.TextContent).Text, "Hello world") {
			t.Errorf("prompt: %+v, %v", prompt, err)
		}
	})
}

func TestQuickstart_RefusesWhatItShould(t *testing.T) {
	mcptest.Matrix(t, testServer(t), func(t *testing.T, c *mcptest.Client) {
		for path, code := range map[string]mcperrors.Code{
			"nosuch.txt": mcperrors.NotFound, "../secret": mcperrors.NotFound, "/etc/passwd": mcperrors.NotFound,
			"link": mcperrors.NotFound, "sub dir": mcperrors.Validation, "binary": mcperrors.Validation, "": mcperrors.Validation,
		} {
			if got := c.Call("read_file", File{path}).Fails(code).Text(); strings.Contains(got, "canary") {
				t.Errorf("%s leaked %s", path, got)
			}
		}
		c.Call("read_file", map[string]any{"path": "poem.txt", "start": 3, "end": 2}).Fails(mcperrors.Validation)
		c.Call("search", SearchIn{""}).Fails(mcperrors.Validation)
		c.Call("write_file", nil).Fails(mcperrors.NotFound)
		for _, uri := range []string{"file:///../secret", "file:///%2e%2e/secret", "file:///link", "file:///nosuch", "file:///a%00"} {
			_, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
			if wire := new(jsonrpc.Error); !errors.As(err, &wire) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", uri, err)
			}
		}
	})
}
