package transport_test

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Run it with -race: calls, notifications that come late, disconnects, tools
// that change, closed sessions and at last a drain, all at random.
func TestModern_Storm(t *testing.T) {
	s := wireServer()
	object := json.RawMessage(`{"type":"object"}`)
	var late sync.WaitGroup
	var served atomic.Int64
	storm := func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		notify := func() {
			_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken()})
		}
		for range rand.IntN(3) {
			late.Go(notify)
		}
		switch rand.IntN(8) {
		case 0:
			notify()
		case 1:
			if served.Add(1) > 20 { // so that the drain finds some
				<-ctx.Done()
				return nil, ctx.Err()
			}
		case 2:
			panic("storm")
		case 3:
			_ = r.Session.Close()
		case 4:
			s.AddTool(&mcp.Tool{Name: "storm2", InputSchema: object}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) { return textResult(""), nil })
		}
		return textResult(strings.Repeat("x", rand.IntN(100_000))), nil
	}
	s.AddTool(&mcp.Tool{Name: "storm", InputSchema: object}, storm)
	h, ts := serve(t, s, nil)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()

	var clients sync.WaitGroup
	answered := make(chan bool, 400)
	for range 8 {
		clients.Go(func() {
			for range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"storm",` + meta + `}}`
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL, strings.NewReader(body))
				if err != nil {
					t.Error(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("MCP-Protocol-Version", modern)
				routed("tools/call", "storm")(req)
				if rand.IntN(2) == 0 {
					req.Header.Set("Accept", "text/event-stream, application/json")
				}
				if rand.IntN(3) == 0 {
					late.Go(cancel)
				}
				answered <- wholeAnswer(t, client, req)
				cancel()
			}
		})
	}
	for range 100 {
		<-answered
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = h.Drain(ctx) // cuts what waits for its context
	for range 300 {
		<-answered
	}
	clients.Wait()
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	late.Wait()
}

// wholeAnswer makes a call and checks that what comes back is whole, or cut by the
// client itself.
func wholeAnswer(t *testing.T, client *http.Client, req *http.Request) bool {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return false
	}
	messages := []string{string(body)}
	if res.Header.Get("Content-Type") == "text/event-stream" {
		messages = strings.Split(strings.TrimSuffix(string(body), "\n\n"), "\n\n")
	}
	for i, m := range messages {
		m = strings.TrimPrefix(m, "event: message\ndata: ")
		if !json.Valid([]byte(m)) || strings.Contains(m, `"id":1`) != (i == len(messages)-1) {
			t.Errorf("status %d, message %d of %d: %.200q", res.StatusCode, i, len(messages), m)
		}
	}
	return true
}
