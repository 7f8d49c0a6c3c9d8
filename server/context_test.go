package server_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

func TestProgress_ReachesAClientThatAskedForIt(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("work"), func(ctx context.Context, _ none) (none, error) {
		server.Progress(ctx, 1, 2, "half")
		server.Progress(ctx, 2, 2, "")
		return none{}, nil
	}))
	got := make(chan mcp.ProgressNotificationParams, 4)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		if _, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "work"}); err != nil { // did not ask
			t.Fatal(err)
		}
		params := &mcp.CallToolParams{Name: "work"}
		params.SetProgressToken("token")
		if _, err := c.CallTool(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		for _, want := range []mcp.ProgressNotificationParams{
			{ProgressToken: "token", Progress: 1, Total: 2, Message: "half"},
			{ProgressToken: "token", Progress: 2, Total: 2},
		} {
			p := <-got
			p.Meta = nil
			if diff := cmp.Diff(want, p); diff != "" {
				t.Error(diff)
			}
		}
		if len(got) != 0 {
			t.Error("a client that did not ask was told")
		}
	}, mcptest.WithClient(&mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { got <- *r.Params },
	}))
	server.Progress(t.Context(), 1, 2, "outside of a call") // does nothing
}

func TestLogToClient_ReachesAClientThatAskedForItsLevel(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("work"), func(ctx context.Context, _ none) (none, error) {
		server.LogToClient(ctx, "debug", "too fine")
		server.LogToClient(ctx, "warning", map[string]any{"disk": "full"})
		return none{}, nil
	}))
	got := make(chan *mcp.LoggingMessageParams, 4)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		c.Call("work", nil).OK() // asked for none
		params := &mcp.CallToolParams{Name: "work"}
		if era.IsModern(c.InitializeResult().ProtocolVersion) {
			params.Meta = mcp.Meta{mcp.MetaKeyLogLevel: "info"}
		} else if err := c.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "info"}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CallTool(t.Context(), params); err != nil {
			t.Fatal(err)
		}
		if p := <-got; p.Level != "warning" || p.Logger != "test" || len(got) != 0 {
			t.Errorf("got %+v and %d more", p, len(got))
		}
	}, mcptest.WithClient(&mcp.ClientOptions{
		LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) { got <- r.Params },
	}))
	server.LogToClient(t.Context(), "error", "outside of a call") // does nothing
}

func TestPrincipal_IsTheCallersOfEachRequest(t *testing.T) {
	srv, logs := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("who"), func(ctx context.Context, _ none) (string, error) {
		p, ok := auth.PrincipalFrom(ctx)
		if !ok {
			return "anonymous", nil
		}
		return p.Key(), nil
	}))
	ann := &auth.Principal{Issuer: "https://issuer", Subject: "ann"}
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		if got := c.Call("who", nil).OK().Text(); got != ann.Key() {
			t.Errorf("got %q", got)
		}
	}, mcptest.As(ann))
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		if got := c.Call("who", nil).OK().Text(); got != "anonymous" {
			t.Errorf("got %q", got)
		}
	})
	for _, e := range logs.FilterMessage("mcp call").All() {
		if p, ok := e.ContextMap()["principal"]; ok && p == "ann of https://issuer" {
			return
		}
	}
	t.Error("the principal is in no record")
}

func TestClientCapabilities_AreTheCallers(t *testing.T) {
	srv, _ := newServer(t, server.Options{})
	mustAdd(t, server.AddTool(srv, tool("can"), func(ctx context.Context, _ none) (bool, error) {
		return server.ClientCapabilities(ctx).Elicitation != nil, nil
	}))
	for _, able := range []bool{false, true} {
		o := &mcp.ClientOptions{}
		if able {
			o = answers("cancel", nil)
		}
		mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
			var got struct{ Result bool }
			if c.Call("can", nil).OK().Decode(&got); got.Result != able {
				t.Errorf("got %t, want %t", got.Result, able)
			}
		}, mcptest.WithClient(o))
	}
	if server.ClientCapabilities(t.Context()) == nil {
		t.Error("nil outside of a call")
	}
}
