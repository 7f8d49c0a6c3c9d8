package server_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

// A server of files as the documentation of AddResourceTemplate wants it. What
// lies outside stays there, whatever the URI says and whatever somebody who may
// write into the directory puts in the way while it is read.
func TestThreat34_FilesBelowARootStayThereWhileSymlinksAreSwapped(t *testing.T) {
	const outside = "what lies outside"
	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	mustAdd(t, os.MkdirAll(filepath.Join(below, "sub"), 0o700))
	mustAdd(t, os.MkdirAll(filepath.Join(dir, "else"), 0o700))
	mustAdd(t, os.WriteFile(filepath.Join(dir, "else", "file"), []byte(outside), 0o600))
	mustAdd(t, os.WriteFile(filepath.Join(below, "sub", "file"), []byte("inside"), 0o600))
	mustAdd(t, os.Symlink("../else/file", filepath.Join(below, "link")))
	mustAdd(t, os.Symlink(filepath.Join(dir, "else", "file"), filepath.Join(below, "absolute")))
	root, err := os.OpenRoot(below)
	mustAdd(t, err)
	t.Cleanup(func() { _ = root.Close() })
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddResourceTemplate(srv, server.ResourceTemplate{URITemplate: "file:///{+path}", Name: "file"},
		func(_ context.Context, in struct {
			Path string `json:"path"`
		},
		) (string, error) {
			data, err := fs.ReadFile(root.FS(), in.Path)
			if err != nil {
				return "", mcperrors.Wrap(mcperrors.NotFound, "no such file", err)
			}
			return string(data), nil
		}))
	c := mcptest.New(t, srv)
	for _, uri := range []string{"file:///link", "file:///absolute", "file:////etc/passwd", "file:///sub/%2e./../x", "file:///C:/x"} {
		var wire *jsonrpc.Error
		if got, err := read(t, c, uri); !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInvalidParams || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, %v", uri, got, err)
		}
	}

	// The directory becomes a link to the one outside, and a directory again.
	var swapping atomic.Bool
	swapping.Store(true)
	swapped := make(chan error, 1)
	sub, aside, link := filepath.Join(below, "sub"), filepath.Join(below, "aside"), filepath.Join(below, "swap")
	go func() {
		var err error
		for swapping.Load() && err == nil {
			err = errors.Join(os.Symlink("../else", link), os.Rename(sub, aside), os.Rename(link, sub), os.Remove(sub), os.Rename(aside, sub))
		}
		swapped <- err
	}()
	seen := map[string]int{}
	for range 500 {
		got, err := read(t, c, "file:///sub/file")
		switch {
		case err == nil:
			seen[got.Text]++
		case mcperrors.CodeOf(err) == mcperrors.NotFound:
			seen["not found"]++
		default:
			t.Fatal(err)
		}
	}
	swapping.Store(false)
	mustAdd(t, <-swapped)
	if seen[outside] > 0 || seen["inside"] == 0 || len(seen) > 2 {
		t.Errorf("read %v", seen)
	}
}

func TestThreat38_ASchemaThatRefersToTheNetworkIsAnErrorAndNothingIsFetched(t *testing.T) {
	var fetched atomic.Int64
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, _ = w.Write([]byte(`{"type":"string"}`))
	}))
	t.Cleanup(remote.Close)
	srv, _ := newServer(t, server.Options{})
	typed := func(context.Context, *mcp.CallToolRequest, map[string]any) (*mcp.CallToolResult, map[string]any, error) {
		return nil, nil, nil
	}
	raw := func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil }
	object := map[string]any{"type": "object"}
	def := func(in, out any) *mcp.Tool {
		return &mcp.Tool{Name: rand.Text(), Description: "x", InputSchema: in, OutputSchema: out}
	}
	for name, ref := range map[string]string{
		"http": remote.URL + "/schema", "with a fragment": remote.URL + "/schema#/a", "file": "file:///etc/passwd",
		"without a scheme": strings.TrimPrefix(remote.URL, "http:") + "/schema", "relative": "schema.json",
	} {
		for keyword, schema := range map[string]map[string]any{
			"$ref":        {"type": "object", "properties": map[string]any{"a": map[string]any{"$ref": ref}}},
			"$dynamicRef": {"type": "object", "properties": map[string]any{"a": map[string]any{"$dynamicRef": ref}}},
			"in $defs":    {"type": "object", "$defs": map[string]any{"x": map[string]any{"items": map[string]any{"$ref": ref}}}},
		} {
			encoded, err := json.Marshal(schema)
			mustAdd(t, err)
			parsed := new(jsonschema.Schema)
			mustAdd(t, json.Unmarshal(encoded, parsed))
			for form, schema := range map[string]any{"map": schema, "raw": json.RawMessage(encoded), "parsed": parsed} {
				remote := tool(rand.Text())
				remote.InputSchema = schema
				for road, err := range map[string]error{
					"AddTool":           server.AddTool(srv, remote, func(context.Context, map[string]any) (string, error) { return "", nil }),
					"AddSDKTool":        server.AddSDKTool(srv, def(schema, nil), typed),
					"AddSDKTool output": server.AddSDKTool(srv, def(object, schema), typed),
					"AddRawTool output": srv.AddRawTool(def(object, schema), raw),
					"AddRawTool":        srv.AddRawTool(def(schema, nil), raw),
				} {
					if err == nil || !strings.Contains(err.Error(), "ref ") && !strings.Contains(err.Error(), "Ref ") {
						t.Errorf("%s, %s %s as %s: %v", road, name, keyword, form, err)
					}
				}
			}
		}
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("fetched %d times", n)
	}
}
