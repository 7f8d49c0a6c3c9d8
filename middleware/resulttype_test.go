package middleware_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/middleware"
)

func TestErrors_AToolResultOfAModernCallHasItsResultType(t *testing.T) {
	fails := middleware.Errors()(func(context.Context, string, mcp.Request) (mcp.Result, error) {
		return nil, mcperrors.Errorf(mcperrors.Conflict, "taken")
	})
	for version, want := range map[string]bool{"2025-11-25": false, "2026-07-28": true} {
		req := &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Meta: mcp.Meta{mcp.MetaKeyProtocolVersion: version}, Name: "t"}}
		for range 2 { // each call has a result of its own
			res, err := fails(t.Context(), "tools/call", req)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(res)
			if err != nil || strings.Contains(string(raw), `"resultType":"complete"`) != want || !strings.Contains(string(raw), "taken") {
				t.Errorf("%s: %s, %v", version, raw, err)
			}
			res.SetMeta(map[string]any{"changed": true})
		}
	}
}
