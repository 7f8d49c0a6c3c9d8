package transport_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/transport"
)

// childEnv makes this test binary a stdio server.
const childEnv = "TRESTLE_TRANSPORT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	ss, err := newServer(newGate()).Connect(context.Background(), &transport.Stdio{}, nil)
	if err != nil {
		os.Exit(3)
	}
	if err := ss.Wait(); err != nil {
		os.Exit(4)
	}
	os.Exit(0)
}

// child starts a stdio server as a client does.
func child(t *testing.T) (cmd *exec.Cmd, in io.WriteCloser, out io.ReadCloser) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

func TestStdio_AProcessExitsCleanlyWhenItsClientIsGone(t *testing.T) {
	cmd, in, out := child(t)
	_ = out.Close() // the next write there fails, and would kill the process
	_, _ = io.WriteString(in, initialize()+"\n")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestStdio_AProcessAnswersAFilePipedIntoIt(t *testing.T) {
	cmd, in, out := child(t)
	_, _ = io.WriteString(in, strings.Join([]string{initialize(), `{"jsonrpc":"2.0","method":"notifications/initialized"}`, call("1", "echo")}, "\n"))
	_ = in.Close()
	lines := bufio.NewScanner(out)
	var got []string
	for lines.Scan() {
		got = append(got, lines.Text())
	}
	if len(got) != 2 || !strings.Contains(got[1], `"result"`) {
		t.Errorf("got %q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
