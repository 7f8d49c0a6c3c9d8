package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
)

// readyLine finds the URL in the line a server prints once it listens.
var readyLine = regexp.MustCompile(`http://(?:127\.0\.0\.1|localhost|\[::1\]):[1-9][0-9]*/[\w./-]*`)

// server is a running server under test.
type server struct {
	url    string
	cancel context.CancelFunc
	exited chan struct{} // closed when the process is gone
}

// startServer starts binary on a free port of the loopback interface and
// returns when it accepts connections. What it prints goes to logFile.
func startServer(ctx context.Context, binary, logFile string, args ...string) (*server, error) {
	log, err := os.Create(logFile) //nolint:gosec // below the directory the caller gave
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, binary, append([]string{"-addr", "127.0.0.1:0"}, args...)...) //nolint:gosec // what the caller wants tested
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	output, input := io.Pipe()
	cmd.Stdout, cmd.Stderr = input, input
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, errors.Join(err, log.Close())
	}

	s := &server{cancel: cancel, exited: make(chan struct{})}
	found := make(chan string, 1)
	go func() {
		defer log.Close()
		tee(output, log, found)
	}()
	go func() {
		_ = cmd.Wait() // how it ends is not judged, what it answered is
		_ = input.Close()
		close(s.exited)
	}()

	if s.url, err = s.ready(ctx, found); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w (its output is in %s)", err, logFile)
	}
	return s, nil
}

// ready waits for the URL and then for a connection to it.
func (s *server) ready(ctx context.Context, found <-chan string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	var target string
	select {
	case target = <-found:
	case <-s.exited:
		return "", errors.New("the server ended before it was ready")
	case <-ctx.Done():
		return "", errors.New("the server printed no http://127.0.0.1:PORT/… line")
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if err == nil {
			return target, conn.Close()
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return "", errors.New("the server ended before it was ready")
		case <-ctx.Done():
			return "", fmt.Errorf("the server does not accept connections: %w", err)
		}
	}
}

// alive reports whether the process is still there.
func (s *server) alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// stop asks the process to end, ends it after a while, and waits for it.
func (s *server) stop() {
	s.cancel()
	<-s.exited
}

// tee copies lines to w and sends the first URL it meets to found.
func tee(r io.Reader, w io.Writer, found chan<- string) {
	lines := bufio.NewReader(r)
	sent := false
	for {
		line, err := lines.ReadString('\n')
		_, _ = io.WriteString(w, line)
		if match := readyLine.FindString(line); match != "" && !sent {
			found <- match
			sent = true
		}
		if err != nil {
			return
		}
	}
}
