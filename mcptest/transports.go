package mcptest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/clienthttp"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

func inMemory(tb testing.TB, srv *server.Server, cfg *config, x *exchange) mcp.Transport {
	tb.Helper()
	return piped(tb, srv, cfg, x, func(r io.ReadCloser, w io.WriteCloser) mcp.Transport {
		return &mcp.IOTransport{Reader: r, Writer: w}
	})
}

func overStdio(tb testing.TB, srv *server.Server, cfg *config, x *exchange) mcp.Transport {
	tb.Helper()
	return piped(tb, srv, cfg, x, func(r io.ReadCloser, w io.WriteCloser) mcp.Transport {
		return &transport.Stdio{In: r, Out: w}
	})
}

// piped connects the server's side to two pipes, ends it after the client's, and
// returns the client's side.
func piped(tb testing.TB, srv *server.Server, cfg *config, x *exchange, side func(io.ReadCloser, io.WriteCloser) mcp.Transport) mcp.Transport {
	tb.Helper()
	serverIn, clientOut := io.Pipe()
	clientIn, serverOut := io.Pipe()
	session, err := srv.MCP().Connect(cfg.context(tb), side(serverIn, serverOut), nil)
	if err != nil {
		tb.Fatalf("mcptest: connecting the server: %v", err)
	}
	cfg.leaks.none("session", func() bool { return slices.Contains(slices.Collect(srv.MCP().Sessions()), session) })
	tb.Cleanup(func() { _ = session.Close() }) // the client may have closed the pipe first
	link := cfg.faults.pipe(&teeReader{ReadCloser: clientIn, tee: lineTee{x: x}}, &teeWriter{WriteCloser: clientOut, tee: lineTee{x: x, sent: true}})
	return &mcp.IOTransport{Reader: link, Writer: link, MaxLineLength: -1}
}

func overHTTP(tb testing.TB, srv *server.Server, cfg *config, x *exchange) mcp.Transport {
	tb.Helper()
	web, token := serveHTTP(tb, srv, cfg)
	connections := new(http.Transport) // its own, to be closed with the test
	tb.Cleanup(connections.CloseIdleConnections)
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	through := clienthttp.WithHeader(clienthttp.Readable(cfg.faults.http(connections)), header)
	return &mcp.StreamableClientTransport{Endpoint: web.URL, HTTPClient: &http.Client{Transport: teeHTTP{through, x}}}
}

// testToken stands for a token; the verifier below accepts nothing else.
const testToken = "mcptest"

// authenticated has everybody with the token call as p.
func authenticated(next http.Handler, p *auth.Principal) http.Handler {
	return sdkauth.RequireBearerToken(verifier(p), nil)(next)
}

func verifier(p *auth.Principal) sdkauth.TokenVerifier {
	return func(_ context.Context, token string, _ *http.Request) (*sdkauth.TokenInfo, error) {
		if token != testToken {
			return nil, sdkauth.ErrInvalidToken
		}
		return p.TokenInfo(time.Now().Add(time.Hour)), nil
	}
}
