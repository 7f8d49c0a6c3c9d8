package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeEnv makes this test binary play the server and the suite.
const fakeEnv = "TRESTLE_CONFORMANCE_FAKE"

func TestMain(m *testing.M) {
	if os.Getenv(fakeEnv) == "" {
		os.Exit(m.Run())
	}
	if os.Args[1] == "-addr" {
		os.Exit(fakeServer(os.Args[2:]))
	}
	os.Exit(fakeSuite(os.Args[1], os.Args[2:]))
}

// fakeServer takes an address and, like the real one, "-token TOKEN".
func fakeServer(args []string) int {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", args[0])
	if err != nil {
		return 1
	}
	fmt.Fprintf(os.Stderr, "{\"msg\":\"ready\",\"url\":\"http://%s/mcp\"}\n", ln.Addr())
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(args) == 3 && r.Header.Get("Authorization") != "Bearer "+args[2] {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	if os.Getenv(fakeEnv) == "open" {
		handler = func(http.ResponseWriter, *http.Request) {}
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	_ = srv.Serve(ln)
	return 0
}

// fakeSuite behaves as the name of its index.js says.
func fakeSuite(behavior string, args []string) int {
	if args[0] == "list" {
		fmt.Fprintln(os.Stdout, "Server scenarios (test against a server):\n  - one [2025-11-25]\n  - server-two [2025-11-25]")
		return 0
	}
	url, out := args[2], args[len(args)-1]
	resp, err := http.Get(url) // a server must be there
	if err != nil {
		return 3
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 4
	}
	write := func(scenario, checks string) {
		dir := filepath.Join(out, "server-"+scenario+"-2026-11-20T11-32-05-260Z")
		_ = os.MkdirAll(dir, 0o750)
		_ = os.WriteFile(filepath.Join(dir, "checks.json"), []byte(checks), 0o600)
	}
	write("one", `[{"id":"a","status":"SUCCESS"},{"id":"b","status":"INFO"},{"id":"c","status":"WARNING"}]`)
	switch behavior {
	case "failing":
		write("server-two", `[{"id":"a","status":"SUCCESS"},{"id":"d","status":"FAILURE","errorMessage":"no text"}]`)
	case "silent":
	case "broken":
		write("server-two", `[{"id":`)
	default:
		write("server-two", `[{"id":"a","status":"SUCCESS"}]`)
	}
	if behavior == "exit" {
		return 1
	}
	return 0
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		behavior, required string
		want               string // in the error; "" is a pass
	}{
		{"passing", `[{"version":"2025-11-25","scenarios":2,"passed":2}]`, ""},
		{"failing", `[{"version":"2025-11-25","scenarios":2,"passed":2}]`, "server-two failed 1 checks"},
		{"silent", `[{"version":"2025-11-25"}]`, "server-two left no result"},
		{"broken", `[{"version":"2025-11-25"}]`, "unexpected end of JSON"},
		{"exit", `[{"version":"2025-11-25"}]`, "the suite did not end well"},
		{"passing", `[{"version":"2025-11-25","scenarios":3}]`, "2 scenarios, required are 3"},
		{"passing", `[{"version":"2025-11-25","passed":3}]`, "2 checks passed, required are 3"},
		{"passing", `[]`, "requires nothing"},
	} {
		t.Run(tt.behavior+tt.want, func(t *testing.T) {
			c := fakeConfig(t, tt.behavior, tt.required)
			var out strings.Builder
			err := run(t.Context(), c, &out)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("run: %v\n%s", err, &out)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("run: %v, want %q\n%s", err, tt.want, &out)
			}
		})
	}
}

func TestRun_GuardedAddsTheTokenThatTheServerWants(t *testing.T) {
	c := fakeConfig(t, "passing", `[{"version":"2025-11-25","scenarios":2,"passed":2}]`)
	c.guarded = true
	var out strings.Builder
	if err := run(t.Context(), c, &out); err != nil || strings.Count(out.String(), "total of 2 scenarios") != 2 {
		t.Errorf("run: %v\n%s", err, &out)
	}
	t.Setenv(fakeEnv, "open")
	if err := run(t.Context(), c, &out); err == nil || !strings.Contains(err.Error(), "guarded: without a token the server answers 200 OK") {
		t.Errorf("a server that wants no token: %v", err)
	}
}

func TestRun_ReportsScenariosAndMessages(t *testing.T) {
	c := fakeConfig(t, "failing", `[{"version":"2025-11-25"}]`)
	var out strings.Builder
	_ = run(t.Context(), c, &out)
	for _, want := range []string{"2       1       1        0  total of 2 scenarios", "server-two: FAILED: d: no text"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestRun_FailsWhenServerEndsEarly(t *testing.T) {
	c := fakeConfig(t, "passing", `[{"version":"2025-11-25"}]`)
	c.server = "false"
	if err := run(t.Context(), c, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "ended before it was ready") {
		t.Errorf("run: %v", err)
	}
}

func fakeConfig(t *testing.T, behavior, required string) config {
	t.Helper()
	t.Setenv(fakeEnv, "1")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each fake rests a second before it ends
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "required.json")
	if err := os.WriteFile(file, []byte(required), 0o600); err != nil {
		t.Fatal(err)
	}
	return config{server: self, suite: suite{node: self, index: behavior}, required: file, out: dir}
}
