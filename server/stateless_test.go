package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/server"
	"github.com/trestle-mcp/trestle/transport"
)

func TestElicit_WithoutSessionsFailsAtOnce(t *testing.T) {
	srv := askingServer(t, server.Options{HTTP: transport.Options{Stateless: true}})
	h, err := srv.Handler()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/mcp",
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"book","arguments":{"room":"R1"}}}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("MCP-Protocol-Version", "2025-11-25")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"requiredCapabilities":{"elicitation":{}}`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
