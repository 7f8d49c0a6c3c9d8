// Package measure starts contenders as processes of their own, drives them in
// interleaved rounds, and reads what that cost them.
package measure

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/child"
)

// A Command starts a contender.
type Command struct {
	Path string
	Args []string
	Env  []string // nil: this process's
}

// Deadlines of what a child has to do besides serving.
const (
	startTimeout = 20 * time.Second
	usageTimeout = 20 * time.Second
	stopTimeout  = 5 * time.Second
)

// process is a running contender. It ends by stop, or with this process: its
// standard input ends then.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   chan struct{} // closed when standard output ended
	errs  *tail

	addr    string // host:port that serves MCP
	control string // URL of the usage endpoint
}

func start(ctx context.Context, c Command, extra ...string) (*process, error) {
	args := append(append([]string{}, c.Args...), "-addr", "127.0.0.1:0", "-control", "127.0.0.1:0")
	cmd := exec.CommandContext(ctx, c.Path, append(args, extra...)...) //nolint:gosec // the programs that this one built
	cmd.Env, cmd.WaitDelay = c.Env, stopTimeout
	p := &process{cmd: cmd, out: make(chan struct{}), errs: &tail{}}
	cmd.Stderr = p.errs
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Cancel = func() error { // asks it to end; WaitDelay bounds how long it may take
		_ = stdin.Close() // it may be closed already
		return nil
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.stdin = stdin
	if err := p.awaitReady(ctx, stdout); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", c.Path, err), p.stop())
	}
	return p, nil
}

// awaitReady reads where the child serves, and leaves a goroutine that reads
// the rest of its output until it ends.
func (p *process) awaitReady(ctx context.Context, stdout io.Reader) error {
	ready := make(chan error, 1)
	go func() {
		defer close(p.out)
		lines := bufio.NewScanner(stdout)
		for p.addr == "" && lines.Scan() {
			if u, ok := strings.CutPrefix(lines.Text(), child.ControlPrefix); ok {
				p.control = u
			} else if u, ok := strings.CutPrefix(lines.Text(), child.ReadyPrefix); ok {
				parsed, err := url.Parse(u)
				if err != nil {
					ready <- err
					return
				}
				p.addr = parsed.Host
			}
		}
		if p.addr == "" || p.control == "" {
			ready <- errors.New("the program ended without saying where it serves")
			return
		}
		ready <- nil
		_, _ = io.Copy(io.Discard, stdout)
	}()
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case err := <-ready:
		return err
	case <-timeout.C:
		return errors.New("not ready in time")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// usage asks the child what it has used; with gc it collects garbage before.
func (p *process) usage(ctx context.Context, gc bool) (u child.Usage, err error) {
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	target := p.control
	if gc {
		target += "?gc"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return u, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return u, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return u, errors.New("usage: status " + strconv.Itoa(res.StatusCode))
	}
	return u, json.NewDecoder(res.Body).Decode(&u)
}

// stop ends the child by closing its standard input, and kills it if that is
// not enough. Its standard error is part of the error if it failed.
func (p *process) stop() error {
	_ = p.stdin.Close() // it may have ended already
	timer := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	<-p.out
	err := p.cmd.Wait()
	timer.Stop()
	if err != nil && !errors.Is(err, context.Canceled) { // else it ended as it was asked to
		return fmt.Errorf("%w\n%s", err, p.errs)
	}
	return nil
}

// tail keeps the last bytes written to it.
type tail struct{ kept []byte }

const tailBytes = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if n := len(t.kept); n > tailBytes {
		t.kept = append(t.kept[:0], t.kept[n-tailBytes:]...)
	}
	return len(p), nil
}

// String returns what was kept; call it when the writer has ended.
func (t *tail) String() string { return string(t.kept) }
