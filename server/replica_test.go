package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/trestle-mcp/trestle/health"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/shutdown"
	"github.com/trestle-mcp/trestle/transport"
)

// replicaEnv makes the test binary a replica; it holds a replicaConfig.
const replicaEnv = "TRESTLE_SERVER_TEST_REPLICA"

type replicaConfig struct {
	Wait, Drain time.Duration
	Hooks       []string // "hangs", "panics"
	Sessions    string   // URL of a session store
	HoldStart   bool     // until a line on stdin
	HoldCheck   bool     // one never returns
	Stdio       bool
	Pprof       bool
	Noticed     bool // the drain waits for a line on stdin, too
}

// replica is a server with an admin listener. It says on stdout, or on stderr
// where it speaks stdio, when it is ready, when a call waits, and what its hooks do.
func replica(config string) int {
	var c replicaConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return 2
	}
	opts := &server.Options{
		Addr: "127.0.0.1:0", Admin: server.Admin{Addr: "127.0.0.1:0", Pprof: c.Pprof},
		Logger: zap.NewNop(), DrainWait: c.Wait, DrainTimeout: c.Drain, MaxInFlight: -1,
	}
	if c.Stdio {
		opts.Addr = ""
	}
	if c.HoldStart {
		opts.Authenticate = func(h http.Handler) http.Handler { // is called by Run
			say("starting")
			_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
			return h
		}
	}
	if c.Sessions != "" {
		opts.HTTP = transport.Options{SessionStore: remoteSessions(c.Sessions)}
	}
	srv, err := server.New("replica", "1", opts)
	if err != nil {
		return 2
	}
	addReplicaTools(srv)
	for _, hook := range c.Hooks {
		srv.OnShutdown(replicaHook(hook))
	}
	srv.OnShutdown(shutdown.Hook{Name: "first", Stage: shutdown.Unready, Run: func(context.Context) error { say("unready"); return nil }})
	srv.OnShutdown(shutdown.Hook{Name: "last", Run: func(context.Context) error { say("closed"); return nil }})
	if c.Noticed {
		srv.OnShutdown(shutdown.Hook{Name: "noticed", Stage: shutdown.Unready, Timeout: time.Minute, Run: func(context.Context) error {
			_, err := bufio.NewReader(os.Stdin).ReadString('\n')
			return err
		}})
	}
	if c.HoldCheck {
		_, _ = srv.Health().Register(health.Check{Name: "start", Timeout: time.Hour, Checker: health.Func(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})})
	}
	go func() {
		<-srv.Ready()
		say("ready " + srv.Addr() + " " + srv.AdminAddr() + " " + srv.ShutdownLimit().String())
	}()
	err = srv.Run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return shutdown.ExitCode(err)
}

func say(what string) {
	fmt.Println(what) //nolint:forbidigo // the parent reads it
}

func replicaHook(kind string) shutdown.Hook {
	return shutdown.Hook{Name: kind, Timeout: 200 * time.Millisecond, Run: func(context.Context) error {
		say(kind)
		switch kind {
		case "panics":
			panic("boom")
		case "hangs":
			select {}
		}
		return nil
	}}
}

type echoIn struct {
	N  int64 `json:"n"`
	Ms int   `json:"ms"`
}

type echoOut struct {
	N int64 `json:"n"`
}

// addReplicaTools adds one that answers with what it got, after a while.
func addReplicaTools(srv *server.Server) {
	_ = server.AddTool(srv, tool("echo"), func(ctx context.Context, in echoIn) (echoOut, error) {
		if in.Ms >= 1000 {
			say("waiting")
		}
		if in.Ms > 0 {
			select {
			case <-time.After(time.Duration(in.Ms) * time.Millisecond):
			case <-ctx.Done():
				return echoOut{}, ctx.Err()
			}
		}
		return echoOut{in.N}, nil
	})
}

// A replicaProcess is one that runs.
type replicaProcess struct {
	cmd        *exec.Cmd
	out        *bufio.Scanner
	url, admin string
	limit      time.Duration
	stdin      io.WriteCloser
}

// spawn starts a replica. It is killed at the end of the test.
func spawn(t *testing.T, c replicaConfig) *replicaProcess {
	t.Helper()
	exe, err := os.Executable()
	mustAdd(t, err)
	config, err := json.Marshal(c)
	mustAdd(t, err)
	p := &replicaProcess{cmd: exec.CommandContext(t.Context(), exe)}
	// Without the variable the race detector keeps an ending process for a second.
	p.cmd.Env = append(os.Environ(), replicaEnv+"="+string(config), "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = os.Stderr
	p.stdin, err = p.cmd.StdinPipe()
	mustAdd(t, err)
	stdout, err := p.cmd.StdoutPipe()
	mustAdd(t, err)
	p.out = bufio.NewScanner(stdout)
	mustAdd(t, p.cmd.Start())
	return p
}

// says waits for a line that begins with what, and returns the rest.
func (p *replicaProcess) says(t *testing.T, what string) string {
	t.Helper()
	for p.out.Scan() {
		if rest, ok := strings.CutPrefix(p.out.Text(), what); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("it ended without saying %q", what)
	return ""
}

// ready waits until it serves.
func (p *replicaProcess) ready(t *testing.T) *replicaProcess {
	t.Helper()
	f := strings.Fields(p.says(t, "ready"))
	p.url, p.admin = "http://"+f[0]+"/mcp", "http://"+f[1]
	var err error
	p.limit, err = time.ParseDuration(f[2])
	mustAdd(t, err)
	return p
}

func (p *replicaProcess) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	mustAdd(t, p.cmd.Process.Signal(sig))
}

// exit waits for the end and returns the exit status.
func (p *replicaProcess) exit() int {
	for p.out.Scan() {
	}
	_ = p.cmd.Wait() // the code says it
	return p.cmd.ProcessState.ExitCode()
}

// stop ends it as an orchestrator does, and returns how long that took.
func (p *replicaProcess) stop(t *testing.T) (code int, took time.Duration) {
	t.Helper()
	began := time.Now()
	p.signal(t, syscall.SIGTERM)
	code = p.exit()
	return code, time.Since(began)
}

// echo is the body of a modern call.
func echo(n int64, ms int) string {
	return `{"jsonrpc":"2.0","id":` + strconv.FormatInt(n, 10) + `,"method":"tools/call","params":{"name":"echo","arguments":{"n":` +
		strconv.FormatInt(n, 10) + `,"ms":` + strconv.Itoa(ms) + `},` + modernMeta + `}}`
}

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
