package mcptest

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

func inMemory(tb testing.TB, srv *server.Server, cfg *config) mcp.Transport {
	tb.Helper()
	here, there := mcp.NewInMemoryTransports()
	serve(tb, srv, cfg, there)
	return here
}

func overStdio(tb testing.TB, srv *server.Server, cfg *config) mcp.Transport {
	tb.Helper()
	serverIn, clientOut := io.Pipe()
	clientIn, serverOut := io.Pipe()
	serve(tb, srv, cfg, &transport.Stdio{In: serverIn, Out: serverOut})
	return &mcp.IOTransport{Reader: clientIn, Writer: clientOut}
}

// serve connects the server's side, and ends it after the client's.
func serve(tb testing.TB, srv *server.Server, cfg *config, t mcp.Transport) {
	tb.Helper()
	session, err := srv.MCP().Connect(cfg.context(tb), t, nil)
	if err != nil {
		tb.Fatalf("mcptest: connecting the server: %v", err)
	}
	tb.Cleanup(func() { _ = session.Close() }) // the client may have closed the pipe first
}

func overHTTP(tb testing.TB, srv *server.Server, cfg *config) mcp.Transport {
	tb.Helper()
	handler, err := srv.Handler()
	if err != nil {
		tb.Fatalf("mcptest: %v", err)
	}
	connections := new(http.Transport) // its own, to be closed with the test
	client := &http.Client{Transport: readable{connections}}
	if cfg.principal != nil {
		handler = sdkauth.RequireBearerToken(verifier(cfg.principal), nil)(handler)
		client.Transport = bearer{client.Transport}
	}
	web := httptest.NewServer(handler)
	tb.Cleanup(func() {
		connections.CloseIdleConnections()
		web.CloseClientConnections() // streams that the server keeps open
		web.Close()
	})
	return &mcp.StreamableClientTransport{Endpoint: web.URL, HTTPClient: client}
}

// testToken stands for a token; the verifier below accepts nothing else.
const testToken = "mcptest"

func verifier(p *auth.Principal) sdkauth.TokenVerifier {
	return func(_ context.Context, token string, _ *http.Request) (*sdkauth.TokenInfo, error) {
		if token != testToken {
			return nil, sdkauth.ErrInvalidToken
		}
		return p.TokenInfo(time.Now().Add(time.Hour)), nil
	}
}

type bearer struct{ next http.RoundTripper }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+testToken)
	return b.next.RoundTrip(r)
}
