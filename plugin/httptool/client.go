package httptool

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Bounds on what a service may make this process do.
const (
	maxRedirects    = 3
	maxAnswerHeader = 64 << 10
	maxConns        = 64 // to one host; further calls wait within their timeout
	maxIdleConns    = 16
	idleTimeout     = 90 * time.Second
	dialTimeout     = 10 * time.Second
)

// A client sends the requests of one service.
type client struct {
	service *service
	secure  *http.Transport // for https
	plain   *http.Transport // for http, to this machine
	agent   string
}

func newClient(s *service, o *Options) *client {
	transport := func(control func(network, address string, c syscall.RawConn) error) *http.Transport {
		dialer := &net.Dialer{Timeout: dialTimeout, Resolver: o.Resolver, Control: control}
		return &http.Transport{
			Proxy:                  nil, // what a proxy connects to, nobody here can see
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    dialTimeout,
			MaxIdleConns:           4 * maxIdleConns,
			MaxIdleConnsPerHost:    maxIdleConns,
			MaxConnsPerHost:        maxConns,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxAnswerHeader,
		}
	}
	return &client{
		service: s,
		agent:   s.name + "/" + s.version,
		secure:  transport(s.guard.control),
		plain:   transport(s.guard.plainControl),
	}
}

func (c *client) roundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" {
		return c.plain.RoundTrip(req)
	}
	return c.secure.RoundTrip(req)
}

func (c *client) closeIdle() {
	c.secure.CloseIdleConnections()
	c.plain.CloseIdleConnections()
}

// An answered is what a service sent back.
type answered struct {
	status    int
	header    http.Header
	body      []byte
	truncated bool
	secrets   []string
}

// do sends a request and reads the answer. Errors are coded, and neither they
// nor their causes hold a URL: there may be a secret in its query.
func (c *client) do(ctx context.Context, out *outgoing, t *tool) (*answered, error) {
	at, own := out.url, out.own
	for hop := 0; ; hop++ {
		req, secrets, err := c.request(ctx, out, at, own, hop == 0, t)
		if err != nil {
			return nil, err
		}
		resp, err := c.roundTrip(req)
		if err != nil {
			return nil, failed(ctx, err)
		}
		if isRedirect(resp.StatusCode) && resp.Header.Get("Location") != "" {
			next, err := c.follow(out, at, resp, hop)
			_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection may be used again
			_ = resp.Body.Close()
			if err != nil {
				return nil, mcperrors.Wrap(mcperrors.Unavailable, "the service sent a redirect that is not followed", err)
			}
			at, own = next, sameOrigin(next, c.service.base)
			continue
		}
		return c.read(ctx, resp, secrets)
	}
}

// request makes one of its own for each hop: headers and secrets are for the
// host of the base URL alone, and what callers put into headers is also for the
// first host, which is that of the tool.
func (c *client) request(ctx context.Context, out *outgoing, at *url.URL, own, first bool, t *tool) (*http.Request, []string, error) {
	var secrets []string
	u := *at
	header := http.Header{}
	if own || first {
		header = out.header.Clone()
	}
	if own {
		for _, f := range t.headers {
			value, hidden, err := f.read(ctx)
			if err != nil {
				return nil, nil, err
			}
			header.Set(f.name, value)
			secrets = append(secrets, hidden...)
		}
		query, hidden, err := t.addQuery(ctx, u.RawQuery)
		if err != nil {
			return nil, nil, err
		}
		u.RawQuery = query
		secrets = append(secrets, hidden...)
	}
	var body io.Reader = http.NoBody
	if out.hasBody {
		body = bytes.NewReader(out.body)
		header.Set("Content-Type", t.mime)
	}
	req, err := http.NewRequestWithContext(ctx, out.method, "http://placeholder", body)
	if err != nil {
		return nil, nil, fmt.Errorf("httptool: %w", err)
	}
	req.URL, req.Host = &u, u.Host
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", c.agent)
	}
	if header.Get("Accept") == "" {
		header.Set("Accept", t.response.accept())
	}
	req.Header = header
	return req, secrets, nil
}

// addQuery puts the parameters that callers do not choose behind theirs.
func (t *tool) addQuery(ctx context.Context, raw string) (string, []string, error) {
	var more pairs
	var secrets []string
	for _, f := range t.query {
		value, hidden, err := f.read(ctx)
		if err != nil {
			return "", nil, err
		}
		more.set(f.name, value)
		secrets = append(secrets, hidden...)
		if f.secret != nil {
			secrets = append(secrets, escape(value))
		}
	}
	if len(more) == 0 {
		return raw, nil, nil
	}
	return more.after(raw), secrets, nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow returns where a redirect leads, if that is somewhere to go. The address
// behind it is the guard's to judge.
func (c *client) follow(out *outgoing, at *url.URL, resp *http.Response, hop int) (*url.URL, error) {
	switch {
	case out.method != http.MethodGet && out.method != http.MethodHead:
		return nil, fmt.Errorf("a redirect of a %s", out.method)
	case hop >= maxRedirects:
		return nil, fmt.Errorf("more than %d redirects", maxRedirects)
	}
	next, err := at.Parse(resp.Header.Get("Location"))
	switch {
	case err != nil || next.Hostname() == "" || next.User != nil || len(next.RequestURI()) > maxURL:
		return nil, errors.New("a redirect to what is no URL")
	case next.Scheme != "https" && (next.Scheme != "http" || at.Scheme != "http"):
		return nil, errors.New("a redirect away from https")
	case !c.service.hosts[hostOf(next)]:
		return nil, errors.New("a redirect to a host that is not allowed")
	}
	next.Fragment = ""
	return next, nil
}

func (c *client) read(ctx context.Context, resp *http.Response, secrets []string) (*answered, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.service.maxResponse+1))
	if err == nil {
		// A service that sees us go may end its answer properly, with half of it.
		err = ctx.Err()
	}
	if err != nil {
		return nil, failed(ctx, err)
	}
	a := &answered{status: resp.StatusCode, header: resp.Header, body: body, secrets: secrets}
	if int64(len(body)) > c.service.maxResponse {
		a.body, a.truncated = body[:c.service.maxResponse], true
	}
	return a, nil
}

// failed says why there is no answer.
func failed(ctx context.Context, err error) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // without the URL
	}
	var netErr net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return mcperrors.Wrap(mcperrors.Canceled, "", err)
	case ctx.Err() != nil || errors.As(err, &netErr) && netErr.Timeout():
		return mcperrors.Wrap(mcperrors.Timeout, "the service did not answer in time", err)
	}
	return mcperrors.Wrap(mcperrors.Unavailable, "the service cannot be reached", err)
}
