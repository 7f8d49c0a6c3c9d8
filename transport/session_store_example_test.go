package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// Two replicas behind a load balancer that knows nothing of sessions. In one
// process they share memory; elsewhere the store is one that both can reach.
func ExampleSessionStore() {
	store := transport.NewMemorySessionStore(0)
	var replicas []http.Handler
	for _, name := range []string{"first", "second"} {
		server := mcp.NewServer(&mcp.Implementation{Name: "demo", Version: "1.0.0"}, nil)
		mcp.AddTool(server, &mcp.Tool{Name: "where"}, func(context.Context, *mcp.CallToolRequest, any) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: name}}}, nil, nil
		})
		handler, err := transport.NewHTTPHandler(server, &transport.Options{SessionStore: store})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer func() { _ = handler.Drain(context.Background()) }()
		replica := httptest.NewServer(handler)
		defer replica.Close()
		target, err := url.Parse(replica.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		replicas = append(replicas, httputil.NewSingleHostReverseProxy(target))
	}
	var turn atomic.Int64
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replicas[turn.Add(1)%2].ServeHTTP(w, r)
	}))
	defer balancer.Close()

	ctx := context.Background()
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: balancer.URL, DisableStandaloneSSE: true},
		&mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		fmt.Println(err)
		return
	}
	seen := map[string]bool{}
	for range 4 {
		res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "where"})
		if err != nil {
			fmt.Println(err)
			return
		}
		seen[res.Content[0].(*mcp.TextContent).Text] = true
	}
	fmt.Println(len(seen), "replicas served one session;", session.Close())
	// Output: 2 replicas served one session; <nil>
}
