package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/server"
)

// serveVariable makes the test binary the server of a test, over stdio.
const serveVariable = "TRESTLE_TEST_SERVE"

func TestMain(m *testing.M) {
	newOne := newServer
	switch os.Getenv(serveVariable) {
	case "":
		os.Exit(m.Run())
	case "docs":
		newOne = newDocsServer
	case "frail":
		serveFrail()
		return
	}
	srv, err := newOne()
	if err == nil {
		err = srv.Run(context.Background())
	}
	if err != nil {
		os.Exit(1)
	}
}

// serveFrail serves stdio until the first line that is no JSON.
func serveFrail() {
	in, out := io.Pipe()
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() && json.Valid(lines.Bytes()) {
			_, _ = out.Write(append(lines.Bytes(), '\n')) // a pipe that is read below
		}
		os.Exit(1)
	}()
	server := mcp.NewServer(&mcp.Implementation{Name: "frail", Version: "1"}, nil)
	_ = server.Run(context.Background(), &mcp.IOTransport{Reader: in, Writer: os.Stdout})
}

type in struct {
	Text   string `json:"text,omitempty" jsonschema:"what to say"`
	Number int    `json:"number,omitempty" jsonschema:"a number"`
}

func newServer() (*server.Server, error) {
	srv, err := server.New("looked-at", "1.2.3", &server.Options{Logger: zap.NewNop(), Instructions: "Say things."})
	if err != nil {
		return nil, err
	}
	return srv, errors.Join(
		server.AddTool(srv, server.Tool{Name: "say", Description: "Say it again.", ReadOnly: true},
			func(_ context.Context, in in) (in2, error) { return in2(in), nil }),
		server.AddTool(srv, server.Tool{Name: "refuse", Description: "Say no.", ReadOnly: true},
			func(context.Context, struct{}) (string, error) {
				return "", mcperrors.Errorf(mcperrors.Conflict, "no \x1b[31mred\x1b[0m")
			}),
		server.AddTool(srv, server.Tool{Name: "change", Description: "Add a tool."},
			func(context.Context, struct{}) (string, error) {
				return "changed", server.AddTool(srv, server.Tool{Name: "SAY", Description: "Was added."},
					func(context.Context, struct{}) (string, error) { return "", nil })
			}),
		server.AddResource(srv, server.Resource{URI: "memo://one", Name: "one", Description: "A memo."},
			func(context.Context) (string, error) { return "a memo", nil }),
		server.AddResource(srv, server.Resource{URI: "memo://bytes", Name: "bytes", Description: "Bytes."},
			func(context.Context) ([]byte, error) { return []byte{0, 1, 2}, nil }),
		server.AddPrompt(srv, server.Prompt{Name: "greet", Description: "Greet somebody."},
			func(_ context.Context, in struct {
				Name string `json:"name" jsonschema:"whom"`
			},
			) (string, error) {
				return "Greet " + in.Name, nil
			}),
	)
}

type in2 in

// serve returns the URL of a server.
func serve(t *testing.T) string {
	t.Helper()
	srv, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	return serveHTTP(t, srv)
}

// serveHTTP serves srv until the test ends.
func serveHTTP(t *testing.T, srv *server.Server) string {
	t.Helper()
	handler, err := srv.Handler()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	return web.URL
}

// A result is what a command line led to.
type result struct {
	code     int
	out, err string
}

// trestle runs a command line.
func trestle(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code := run(ctx, args, streams{in: strings.NewReader(stdin), out: &out, err: &errs})
	return result{code, out.String(), errs.String()}
}

// wants fails the test unless the code is right and each text was written.
func (r result) wants(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("%q is not in\n%s%s", text, r.out, r.err)
		}
	}
}

// decode decodes what was written as JSON.
func (r result) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), v); err != nil {
		t.Errorf("%v\n%s%s", err, r.out, r.err)
	}
}
