package transport_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// addServer has the tool add, which decodes and encodes for itself, so that
// what is measured is the transport.
func addServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s.AddTool(&mcp.Tool{Name: "add", InputSchema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}`)},
		func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			var in struct{ A, B int }
			if err := json.Unmarshal(r.Params.Arguments, &in); err != nil {
				return nil, err
			}
			sum := `{"sum":` + strconv.Itoa(in.A+in.B) + `}`
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: sum}}, StructuredContent: json.RawMessage(sum)}, nil
		})
	return s
}

// BenchmarkModernCall is a small call from the request to the written answer,
// without a network: through go-sdk's handler, and through ours.
func BenchmarkModernCall(b *testing.B) {
	direct, err := transport.NewHTTPHandler(addServer(), nil)
	if err != nil {
		b.Fatal(err)
	}
	sdk := mcp.NewStreamableHTTPHandler(func() func(*http.Request) *mcp.Server {
		s := addServer()
		return func(*http.Request) *mcp.Server { return s }
	}(), &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true, DisableLocalhostProtection: true})
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2},` + meta + `}}`
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{{"sdk", sdk}, {"direct", direct}} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.handler, "tools/call", "add", body, `{"sum":3}`) })
	}
}

// benchmark repeats one request.
func benchmark(b *testing.B, h http.Handler, method, name, body, want string) {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://localhost/", nil)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("MCP-Protocol-Version", modern)
	routed(method, name)(r)
	r.ContentLength = int64(len(body))
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
}
