package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/trestle-mcp/trestle/internal/clienthttp"
	"github.com/trestle-mcp/trestle/internal/era"
)

// tokenVariable is where a token is taken from, so that it is in no history.
const tokenVariable = "TRESTLE_TOKEN" //nolint:gosec // a name, not a token

// targetFlags say how to talk to a server.
type targetFlags struct {
	headers []string
	version string
	timeout time.Duration
}

func (a *app) targetFlags(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	f.StringArrayVarP(&a.target.headers, "header", "H", nil, `an HTTP header, "Name: value"; may be repeated`)
	f.StringVar(&a.target.version, "protocol", era.FirstModern, "the protocol version to speak; older servers get an older one")
	f.DurationVar(&a.target.timeout, "timeout", 30*time.Second, "how long the server may take to answer")
	c.Long += "\n\nA token in the environment variable " + tokenVariable + " is sent as Authorization: Bearer."
	return c
}

// A target is a server as the command line names it, and what else stands there.
type target struct {
	url     string
	command []string
	rest    []string
}

// parseTarget takes the server off the arguments of c.
func parseTarget(c *cobra.Command, args []string) (target, error) {
	if dash := c.ArgsLenAtDash(); dash >= 0 {
		if dash == len(args) {
			return target{}, usage("there is no command behind --")
		}
		return target{command: args[dash:], rest: args[:dash]}, nil
	}
	if len(args) == 0 {
		return target{}, usage("say which server: a URL, or a command behind --")
	}
	u, err := url.Parse(args[0])
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return target{}, usage("%q is no http or https URL; a command stands behind --", args[0])
	}
	return target{url: args[0], rest: args[1:]}, nil
}

// header returns the headers to send.
func (f targetFlags) header() (http.Header, error) {
	header, err := f.parsed()
	if token := os.Getenv(tokenVariable); token != "" && header.Get("Authorization") == "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header, err
}

// parsed returns the headers of the command line.
func (f targetFlags) parsed() (http.Header, error) {
	header := http.Header{}
	for _, line := range f.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" || strings.ContainsAny(line, "\r\n") {
			return header, usage("--header takes \"Name: value\"")
		}
		header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}

// connect opens a session with a server.
func (a *app) connect(ctx context.Context, t target, opts *mcp.ClientOptions) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "trestle", Version: version()}, opts)
	ctx, cancel := context.WithTimeoutCause(ctx, a.target.timeout, fmt.Errorf("no answer within %v", a.target.timeout))
	defer cancel()
	transport, err := a.transport(t)
	if err != nil {
		return nil, err
	}
	session, err := client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: a.target.version})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, &exitError{exitUnreachable, fmt.Errorf("connecting to %s: %w%s", t, err, t.hint(err))}
	}
	return session, nil
}

func (a *app) transport(t target) (mcp.Transport, error) {
	if t.url == "" {
		command := exec.Command(t.command[0], t.command[1:]...) //nolint:gosec,noctx // what the user asked for; it ends with its input
		command.Stderr = a.err
		return &mcp.CommandTransport{Command: command}, nil
	}
	header, err := a.target.header()
	if err != nil {
		return nil, err
	}
	return &mcp.StreamableClientTransport{Endpoint: t.url, HTTPClient: &http.Client{
		Transport: clienthttp.WithHeader(clienthttp.Readable(http.DefaultTransport), header),
	}}, nil
}

// String names the server in messages.
func (t target) String() string {
	if t.url != "" {
		return t.url
	}
	return strings.Join(t.command, " ")
}

// hint says what is often wrong with a server that answers err.
func (t target) hint(err error) string {
	if u, parseErr := url.Parse(t.url); parseErr == nil && t.url != "" && !strings.HasSuffix(u.Path, "/mcp") &&
		strings.HasSuffix(err.Error(), http.StatusText(http.StatusNotFound)) {
		return "; many servers are at /mcp, try " + u.Scheme + "://" + u.Host + "/mcp"
	}
	return ""
}

// with runs f in a session with the server that args name.
func (a *app) with(c *cobra.Command, args []string, opts *mcp.ClientOptions, f func(ctx context.Context, s *mcp.ClientSession, rest []string) error) error {
	t, err := parseTarget(c, args)
	if err != nil {
		return err
	}
	session, err := a.connect(c.Context(), t, opts)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }() // the server may have closed it first
	return f(c.Context(), session, t.rest)
}

// within bounds one request.
func (a *app) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, a.target.timeout, fmt.Errorf("no answer within %v", a.target.timeout))
}
