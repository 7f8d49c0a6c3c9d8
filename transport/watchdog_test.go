package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
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
	session := open(t, ts.URL, nil)
	for version, params := range map[string]string{legacy: `"name":"hang"`, modern: `"name":"hang",` + meta} {
		for _, accept := range []string{"application/json, text/event-stream", "text/event-stream, application/json"} {
			res := post(t, ts.URL, version, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{`+params+`}}`, func(r *http.Request) {
				r.Header.Set("Accept", accept)
				if version == legacy {
					r.Header.Set("Mcp-Session-Id", session)
					return
				}
				r.Header.Set("Mcp-Method", "tools/call")
				r.Header.Set("Mcp-Name", "hang")
			})
			// The answer arrives, though the handler is still there.
			body := answerIn(t, res)
			if !strings.Contains(body, `"code":504`) || !strings.Contains(body, `"id":7`) {
				t.Errorf("%s, %s: %d %s", version, accept, res.StatusCode, body)
			}
			if !<-answered || <-answered {
				t.Error("it was not answered exactly once")
			}
		}
	}
	close(release)
}

// answerIn reads a whole JSON body, or a stream up to the answer.
func answerIn(t *testing.T, res *http.Response) string {
	t.Helper()
	if res.Header.Get("Content-Type") == "application/json" {
		return readAll(t, res.Body)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && strings.Contains(data, `"id":7`) {
			return data
		}
	}
	t.Fatalf("the stream ended without an answer: %v", lines.Err())
	return ""
}
