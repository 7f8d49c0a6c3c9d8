package contender_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/child"
	"github.com/trestle-mcp/trestle/bench/internal/contender/floor"
	"github.com/trestle-mcp/trestle/bench/internal/contender/gosdk"
	"github.com/trestle-mcp/trestle/bench/internal/contender/mcpgo"
	"github.com/trestle-mcp/trestle/bench/internal/contender/trestle"
	"github.com/trestle-mcp/trestle/bench/internal/load"
	"github.com/trestle-mcp/trestle/bench/internal/workload"
)

// serve returns the address of a contender with its arguments.
func serve(t *testing.T, flags child.Flags, args ...string) string {
	t.Helper()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	build := flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	h, err := build()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", h)
	ts := httptest.NewServer(mux)
	t.Cleanup(ts.Close)
	return ts.Listener.Addr().String()
}

func run(t *testing.T, addr string, s load.Script, calls int) {
	t.Helper()
	conn, err := load.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	res, err := load.Run(t.Context(), []load.Client{{Conn: conn, Script: s}}, load.Limits{Duration: time.Minute, Calls: calls})
	if err != nil {
		t.Fatal(err)
	}
	if res.Calls != calls {
		t.Fatalf("%d calls, want %d", res.Calls, calls)
	}
}

func TestContender_AnswersEveryWorkloadInEveryEra(t *testing.T) {
	for _, c := range []struct {
		name     string
		flags    child.Flags
		args     []string
		sessions bool
	}{
		{"floor", floor.Flags, nil, false},
		{"go-sdk", gosdk.Flags, nil, false},
		{"go-sdk with sessions", gosdk.Flags, []string{"-sessions"}, true},
		{"mcp-go", mcpgo.Flags, nil, false},
		{"mcp-go with sessions", mcpgo.Flags, []string{"-sessions"}, true},
		{"bare", trestle.Flags, []string{"-stack", "bare"}, true},
		{"production", trestle.Flags, []string{"-stack", "production"}, true},
	} {
		for _, e := range workload.Eras() {
			if e == workload.Modern && c.name == "go-sdk with sessions" {
				continue // it refuses modern clients then
			}
			for _, k := range workload.Kinds() {
				t.Run(fmt.Sprintf("%s %v %v", c.name, e, k), func(t *testing.T) {
					addr := serve(t, c.flags, append([]string{"-tools", fmt.Sprint(k.Tools())}, c.args...)...)
					session := ""
					if e == workload.Legacy {
						h := workload.NewHandshakes(addr)
						run(t, addr, h, 4)
						if a, b := h.Sessions[0], h.Sessions[1]; (a != "" && a != b) != c.sessions {
							t.Errorf("sessions %q and %q", a, b)
						}
						session = h.Sessions[1]
					}
					run(t, addr, workload.NewCalls(k, e, addr, session), 3)
				})
			}
		}
	}
}
