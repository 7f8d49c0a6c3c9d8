package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

func ExampleNewHTTPHandler() {
	server := mcp.NewServer(&mcp.Implementation{Name: "demo", Version: "1.0.0"}, nil)
	handler, err := transport.NewHTTPHandler(server, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", handler)
	ts := httptest.NewServer(mux)
	defer ts.Close()

	ctx := context.Background()
	defer func() { _ = handler.Drain(ctx) }()
	for _, version := range []string{"2025-11-25", "2026-07-28"} { // one URL, both eras
		client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1.0.0"}, nil)
		session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: ts.URL + "/mcp"},
			&mcp.ClientSessionOptions{ProtocolVersion: version})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(session.InitializeResult().ProtocolVersion)
		_ = session.Close()
	}
	// Output:
	// 2025-11-25
	// 2026-07-28
}

// Drain comes before Shutdown, which would wait for open streams for ever.
func ExampleHTTPHandler_Drain() {
	handler, err := transport.NewHTTPHandler(mcp.NewServer(&mcp.Implementation{Name: "demo", Version: "1.0.0"}, nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second}

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	fmt.Println(handler.Drain(ctx), server.Shutdown(ctx))
	// Output: <nil> <nil>
}

// A line that is no message is answered, and the next one is served.
func ExampleStdio() {
	input := "{{{\n" + `{"jsonrpc":"2.0","id":1,"method":"ping"}` + "\n"
	server := mcp.NewServer(&mcp.Implementation{Name: "demo", Version: "1.0.0"}, nil)
	session, err := server.Connect(context.Background(),
		&transport.Stdio{In: strings.NewReader(input), Out: os.Stdout}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = session.Wait()
	// Output:
	// {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"invalid JSON at byte 1: unexpected '{', want a key","data":{"type":"validation"}}}
	// {"jsonrpc":"2.0","id":1,"result":{}}
}
