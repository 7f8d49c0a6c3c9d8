// Package child is the process around a contender: the same HTTP server for
// all, and a private endpoint on which the parent reads what the process used.
package child

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
)

// Flags registers the flags of a contender, and returns what makes its handler
// once they are parsed.
type Flags func(*flag.FlagSet) func() (http.Handler, error)

// Lines that a child prints on standard output, each followed by a URL.
const (
	ReadyPrefix   = "ready: "
	ControlPrefix = "control: "
)

// Main runs a contender until SIGINT or SIGTERM, and exits.
func Main(flags Flags) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Run(ctx, os.Args[1:], os.Stdin, os.Stdout, flags)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Run serves until ctx ends. With -control it also ends when in does, so that
// no child outlives its parent.
func Run(ctx context.Context, args []string, in io.Reader, out io.Writer, flags Flags) error {
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	addr := fs.String("addr", "127.0.0.1:0", "listen on `host:port`; port 0 picks a free one")
	control := fs.String("control", "", "report usage on this loopback `host:port`, and end when standard input does")
	build := flags(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	handler, err := build()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	defer listener.Close()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if *control != "" {
		private, err := listenLoopback(ctx, *control)
		if err != nil {
			return err
		}
		endpoint := newServer("/usage", http.HandlerFunc(serveUsage))
		defer endpoint.Close()
		go func() { _ = endpoint.Serve(private) }() // ends with Close
		go func() {
			_, _ = io.Copy(io.Discard, in)
			cancel()
		}()
		if _, err := fmt.Fprintf(out, ControlPrefix+"http://%s/usage\n", private.Addr()); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, ReadyPrefix+"http://%s%s\n", listener.Addr(), fixture.Path); err != nil {
		return err
	}
	return serve(ctx, listener, handler)
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	web := newServer(fixture.Path, handler)
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		err := web.Close()
		if e := <-done; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
		return err
	}
}

func newServer(path string, h http.Handler) *http.Server {
	mux := http.NewServeMux()
	mux.Handle(path, h)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 10 * time.Minute}
}

func listenLoopback(ctx context.Context, addr string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("-control %s: not a loopback address", addr), l.Close())
	}
	return l, nil
}
