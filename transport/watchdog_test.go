package transport_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/watchdog"
)

func TestThreat40_AHandlerThatIgnoresItsContextIsAnsweredWhileItRuns(t *testing.T) {
	s := newServer(newGate())
	answered, release := make(chan bool, 2), make(chan struct{})
	s.AddTool(&mcp.Tool{Name: "hang", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			caller := watchdog.From(ctx) // what a deadline does
			late := mcperrors.Errorf(mcperrors.Timeout, "too slow").Wire("tools/call", modern)
			answered <- caller.Answer(nil, late)
			answered <- caller.Answer(nil, late)
			<-release
			return textResult("dropped"), nil
		})
	_, ts := serve(t, s, nil)
	for _, accept := range []string{"application/json, text/event-stream", "text/event-stream, application/json"} {
		res := post(t, ts.URL, modern, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"hang",`+meta+`}}`, func(r *http.Request) {
			r.Header.Set("Accept", accept)
			r.Header.Set("Mcp-Method", "tools/call")
			r.Header.Set("Mcp-Name", "hang")
		})
		// The whole body arrives, though the handler is still there.
		wantError(t, []byte(readAll(t, res.Body)), 504, "7")
		if !<-answered || <-answered {
			t.Error("it was not answered exactly once")
		}
		if !res.Close {
			t.Error("the client would use the connection again, and wait for the handler")
		}
	}
	close(release)
}
