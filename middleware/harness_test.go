package middleware_test

import (
	"context"
	"errors"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// canary is a secret that must be in no answer and no log.
const canary = "s3cr3t-canary"

const (
	legacy = "2025-11-25"
	modern = "2026-07-28"
)

// inBothEras runs test once for each era of the protocol.
func inBothEras(t *testing.T, test func(t *testing.T, version string)) {
	t.Helper()
	for _, version := range []string{legacy, modern} {
		t.Run(version, func(t *testing.T) { test(t, version) })
	}
}

// bare returns a go-sdk server with mw, without anything else of Trestle's.
func bare(mw mcp.Middleware) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "bare", Version: "1"}, nil)
	if mw != nil {
		s.AddReceivingMiddleware(mw)
	}
	return s
}

// dial connects a real client to s over the SDK's in-memory transport.
func dial(t *testing.T, s *mcp.Server, version string) *mcp.ClientSession {
	t.Helper()
	st, ct := mcp.NewInMemoryTransports()
	ss, err := s.Connect(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil)
	cs, err := c.Connect(t.Context(), ct, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cs.Close()
		_ = ss.Wait()
	})
	return cs
}

// tool adds a tool whose raw handler is h.
func tool(s *mcp.Server, name string, h func(context.Context) (*mcp.CallToolResult, error)) {
	s.AddTool(&mcp.Tool{Name: name, InputSchema: map[string]any{"type": "object"}},
		func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return h(ctx) })
}

func hello(context.Context) (*mcp.CallToolResult, error) { return text("hello"), nil }

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

// mustAnswer fails the test unless the session still serves the tool hello.
func mustAnswer(t *testing.T, cs *mcp.ClientSession) {
	t.Helper()
	res, err := cs.CallTool(t.Context(), &mcp.CallToolParams{Name: "hello"})
	if err != nil || res.IsError {
		t.Fatalf("the next call got %v, %v", res, err)
	}
}

// wireError returns err as the client got it from the wire.
func wireError(t *testing.T, err error) *jsonrpc.Error {
	t.Helper()
	wire, ok := errors.AsType[*jsonrpc.Error](err)
	if !ok {
		t.Fatalf("got %v, want an error from the wire", err)
	}
	return wire
}

func wantCode(t *testing.T, err error, want mcperrors.Code) {
	t.Helper()
	if got := mcperrors.CodeOf(err); got != want {
		t.Errorf("code is %q, want %q (%v)", got, want, err)
	}
}

// callRequest is what tools/call hands to a middleware at version.
func callRequest(name, version string) *mcp.CallToolRequest {
	return &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{
		Meta: mcp.Meta{mcp.MetaKeyProtocolVersion: version}, Name: name,
	}}
}

func promptRequest(name, version string) *mcp.GetPromptRequest {
	return &mcp.GetPromptRequest{Params: &mcp.GetPromptParams{
		Meta: mcp.Meta{mcp.MetaKeyProtocolVersion: version}, Name: name,
	}}
}

// answering is a handler that returns the same for every call.
func answering(res mcp.Result, err error) mcp.MethodHandler {
	return func(context.Context, string, mcp.Request) (mcp.Result, error) { return res, err }
}
