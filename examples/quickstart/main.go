// Quickstart serves a folder to MCP clients: they can search its files, read
// them, and have one explained.
//
//	go run ./examples/quickstart [-addr host:port | -stdio] [folder]
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"strings"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
)

// The tags describe arguments to the model, and are enforced before a handler runs.
type (
	SearchIn struct {
		Query string `json:"query" jsonschema:"text to look for, in any case" validate:"min=1,max=200"`
	}
	Match struct {
		Path  string `json:"path"`
		Line  int    `json:"line" jsonschema:"counted from 1"`
		Lines string `json:"lines" jsonschema:"the line, and two before and after it"`
	}
	File struct {
		Path string `json:"path" jsonschema:"relative to the folder" validate:"min=1"`
	}
	Range struct {
		File
		Start int `json:"start,omitempty" jsonschema:"first line; default: 1" validate:"gte=0"`
		End   int `json:"end,omitempty" jsonschema:"last line; default: the last" validate:"omitempty,gtefield=Start"`
	}
)

type folder struct{ root *os.Root }

func (f folder) search(ctx context.Context, in SearchIn) (found []Match, err error) {
	err = fs.WalkDir(f.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil || len(found) == 50 {
			return cmp.Or(ctx.Err(), fs.SkipAll)
		}
		if err == nil && d.IsDir() && strings.HasPrefix(path, ".") && path != "." {
			return fs.SkipDir // .git and the like
		}
		text, _ := f.read(ctx, File{path}) // empty unless it is a text file
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if len(found) < 50 && strings.Contains(strings.ToLower(line), strings.ToLower(in.Query)) {
				around := strings.Join(lines[max(0, i-2):min(len(lines), i+3)], "\n")
				found = append(found, Match{path, i + 1, strings.ToValidUTF8(around[:min(len(around), 1000)], "")})
			}
		}
		return nil
	})
	return found, err
}

func (f folder) readRange(ctx context.Context, in Range) (string, error) {
	text, err := f.read(ctx, in.File)
	lines := strings.SplitAfter(text, "\n")
	end := min(len(lines), cmp.Or(in.End, len(lines)))
	return strings.Join(lines[min(end, max(0, in.Start-1)):end], ""), err
}

func (f folder) read(_ context.Context, in File) (string, error) {
	info, err := f.root.Stat(in.Path)
	if err != nil { // the message is for the caller, the cause for the log
		return "", mcperrors.Wrap(mcperrors.NotFound, "no such file in the folder", err)
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return "", mcperrors.Errorf(mcperrors.Validation, "path: not a file of at most 1 MiB")
	}
	text, err := f.root.ReadFile(in.Path)
	if strings.Contains(string(text), "\x00") {
		return "", mcperrors.Errorf(mcperrors.Validation, "path: not a text file")
	}
	return string(text), err
}

func newServer(dir string, opts *server.Options) (*server.Server, error) {
	root, err := os.OpenRoot(dir) // nothing outside can be reached through it
	if err != nil {
		return nil, err
	}
	srv, err := server.New("quickstart", "1.0.0", opts)
	if err != nil {
		return nil, err
	}
	f := folder{root}
	// Mistakes in these are returned by Run, all together.
	_ = server.AddTool(srv, server.Tool{Name: "search", Description: "Find text in the folder's files; the first 50 matches.", ReadOnly: true}, f.search)
	_ = server.AddTool(srv, server.Tool{Name: "read_file", Description: "Read a file or some of its lines.", ReadOnly: true}, f.readRange)
	_ = server.AddResourceTemplate(srv, server.ResourceTemplate{
		URITemplate: "file:///{+path}", Name: "file", Description: "A file of the folder, by its path in it.",
	}, f.read)
	_ = server.AddPrompt(srv, server.Prompt{Name: "explain_file", Description: "Explain a file."},
		func(ctx context.Context, in File) (string, error) {
			text, err := f.read(ctx, in)
			return "Explain what this file is for and how it works: " + in.Path + "\n\n" + text, err
		})
	return srv, nil
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	stdio := flag.Bool("stdio", false, "speak stdio instead of HTTP")
	flag.Parse()
	opts := &server.Options{Addr: *addr}
	if *stdio {
		opts.Addr = ""
	}
	srv, err := newServer(cmp.Or(flag.Arg(0), "."), opts)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		if <-srv.Ready(); !*stdio { // else stdout belongs to the client
			fmt.Printf("ready: http://%[1]s/mcp\ntry: "+curl+"\n", srv.Addr())
		}
	}()
	if err := srv.Run(context.Background()); err != nil { // until Ctrl-C; running calls end first
		fmt.Fprintln(os.Stderr, err)
		os.Exit(shutdown.ExitCode(err)) // another one after a second Ctrl-C, which ends all at once
	}
}

const curl = `curl -s http://%[1]s/mcp -H Content-Type:application/json -H MCP-Protocol-Version:2026-07-28 -H Mcp-Method:tools/call ` +
	`-H Mcp-Name:search -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"hello"},` +
	`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'`
