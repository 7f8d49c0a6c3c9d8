package transport_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// TestDifferential_Stateless plays the table against go-sdk's stateless handler
// and against ours. The session id that is sent is one that nobody issued.
func TestDifferential_Stateless(t *testing.T) {
	g := newGate()
	_, ours := serve(t, differentialServer(g), &transport.Options{Stateless: true})
	theirs := differentialServer(g)
	sdk := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return theirs },
		&mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true}))
	t.Cleanup(func() { sdk.CloseClientConnections(); sdk.Close() })

	used := make(map[string]int)
	for _, e := range append(differentialTable(), statelessExchanges()...) {
		theirs, got := e.play(t, sdk.URL, "made-up"), e.play(t, ours.URL, "made-up")
		if cmp.Diff(theirs, got) == "" {
			continue
		}
		reason := explain(e, theirs, got)
		if reason == "" {
			t.Errorf("%s: go-sdk answers %s, we %s, and nothing explains it", e.name, theirs, got)
		}
		used[reason]++
	}
	t.Logf("explained differences: %v", used)
}

// statelessExchanges are what only a server without sessions serves.
func statelessExchanges() []exchange {
	set := `{"jsonrpc":"2.0","id":"l","method":"logging/setLevel","params":{"level":"debug"}}`
	chat := `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"progress","_meta":{"progressToken":"t"}}}`
	return []exchange{
		{name: "initialize", body: initialize()},
		{name: "initialize with a made-up session", body: initialize(), session: true},
		{name: "initialized, by itself", version: legacy, body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`},
		{name: "a call before initialize", version: legacy, body: call("1", "echo")},
		{name: "a call of no version", body: call("1", "echo")},
		{name: "progress without a session", version: "2025-06-18", body: chat},
		{name: "an answer to what nobody asked", version: legacy, body: `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{name: "batch with a level", version: "2025-03-26", body: "[" + set + "," + call("1", "echo") + "]"},
		{name: "batch with initialized", body: `[{"jsonrpc":"2.0","method":"notifications/initialized"},` + call("1", "echo") + "]"},
	}
}
