package middleware_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/middleware"
)

// idSeen returns the id that the layer below RequestID sees.
func idSeen(ctx context.Context, req mcp.Request) string {
	var id string
	_, _ = middleware.RequestID()(func(ctx context.Context, _ string, _ mcp.Request) (mcp.Result, error) {
		id = middleware.RequestIDFrom(ctx)
		return nil, nil
	})(ctx, "tools/call", req)
	return id
}

func TestRequestID_TakesAWellFormedIDOfTheCaller(t *testing.T) {
	good := []string{"a", "A.b_c:d-9", strings.Repeat("x", 128)}
	bad := []string{"", strings.Repeat("x", 129), "a b", "a\nb", `a"b`, "é", "a\x00", "{}"}
	requests := map[string]func(id string) mcp.Request{
		"_meta": func(id string) mcp.Request {
			return &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Meta: mcp.Meta{middleware.RequestIDMetaKey: id}}}
		},
		"header": func(id string) mcp.Request {
			return &mcp.ListToolsRequest{Extra: &mcp.RequestExtra{Header: http.Header{middleware.RequestIDHeader: {id}}}}
		},
	}
	for name, request := range requests {
		for _, id := range good {
			if got := idSeen(t.Context(), request(id)); got != id {
				t.Errorf("%s: got %q, want %q", name, got, id)
			}
		}
		for _, id := range bad {
			if got := idSeen(t.Context(), request(id)); got == id || len(got) < 26 {
				t.Errorf("%s: took %q, made %q", name, id, got)
			}
		}
	}
}

func TestRequestID_PrefersMetaToTheHeader(t *testing.T) {
	req := &mcp.CallToolRequest{
		Params: &mcp.CallToolParamsRaw{Meta: mcp.Meta{middleware.RequestIDMetaKey: "meta"}},
		Extra:  &mcp.RequestExtra{Header: http.Header{middleware.RequestIDHeader: {"header"}}},
	}
	if got := idSeen(t.Context(), req); got != "meta" {
		t.Errorf("got %q", got)
	}
}

func TestRequestID_KeepsTheIDOfTheTransport(t *testing.T) {
	ctx := middleware.WithRequestID(t.Context(), "edge-1")
	req := &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Meta: mcp.Meta{middleware.RequestIDMetaKey: "meta"}}}
	if got := idSeen(ctx, req); got != "edge-1" {
		t.Errorf("got %q", got)
	}
}

func TestRequestID_MakesADifferentIDForEachCall(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[idSeen(t.Context(), nil)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different ids of 1000", len(seen))
	}
}

func TestRequestIDFrom_IsEmptyWithoutTheMiddleware(t *testing.T) {
	if got := middleware.RequestIDFrom(t.Context()); got != "" {
		t.Errorf("got %q", got)
	}
}
