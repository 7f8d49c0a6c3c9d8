package transport_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The official suite asks for these, conformance-fixtures.md section 4.
func TestHTTP_ModernFaultsHaveTheStatusAndCodeOfTheSpecification(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	with := func(params string) string { return `"params":{` + params + `}` }
	for _, c := range []struct {
		name, method, params string
		status               int
		code                 int64
	}{
		{"no _meta", "tools/list", with(""), 400, -32602},
		{"no version", "tools/list", with(`"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}`), 400, -32602},
		{"no capabilities", "tools/list", with(`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`), 400, -32602},
		{"initialize", "initialize", with(meta), 404, -32601},
		{"ping", "ping", with(meta), 404, -32601},
		{"logging/setLevel", "logging/setLevel", with(`"level":"info",` + meta), 404, -32601},
		{"resources/subscribe", "resources/subscribe", with(`"uri":"test:a",` + meta), 404, -32601},
		{"unknown/method", "unknown/method", with(meta), 404, -32601},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := post(t, ts.URL, modern, `{"jsonrpc":"2.0","id":"x","method":"`+c.method+`",`+c.params+`}`, routed(c.method, ""))
			if res.StatusCode != c.status {
				t.Errorf("status %d, want %d", res.StatusCode, c.status)
			}
			wantError(t, []byte(readAll(t, res.Body)), c.code, `"x"`)
		})
	}
}

func TestHTTP_LargeErrorsOfTheSDKKeepOnlyTheirCode(t *testing.T) {
	s := newServer(newGate())
	s.AddTool(&mcp.Tool{Name: "region", InputSchema: json.RawMessage(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult(""), nil })
	_, ts := serve(t, s, nil)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"region","arguments":{"region":"eu"},` + meta + `}}`
	for _, value := range []string{"us", strings.Repeat("x", 100_000)} {
		res := post(t, ts.URL, modern, body, func(r *http.Request) {
			routed("tools/call", "region")(r)
			r.Header.Set("Mcp-Param-Region", value)
		})
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", res.StatusCode)
		}
		wantError(t, []byte(readAll(t, res.Body)), -32020, "1")
	}
}
