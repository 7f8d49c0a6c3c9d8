package server_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
	"github.com/trestle-mcp/trestle/mcptest"
	"github.com/trestle-mcp/trestle/server"
)

// A subscription is silent as soon as its caller may not read any more what it
// is about, whatever the reason, and speaks again when it may.
func TestThreat33_ASubscriptionTellsNothingThatMayNotBeReadAnyMore(t *testing.T) {
	all := auth.PolicySpec{Authenticated: []string{"read:resources:x:*"}}
	none := auth.PolicySpec{Authenticated: []string{"read:resources:y:*"}}
	var suspended atomic.Bool
	all.Hooks = []auth.Hook{func(_ context.Context, _ *auth.Principal, _ auth.Action) error {
		if suspended.Load() {
			return errors.New("suspended")
		}
		return nil
	}}
	policy := policyOf(t, all)
	srv, _ := newServer(t, server.Options{Policy: policy})
	mustAdd(t, server.AddResource(srv, server.Resource{URI: "x:lost", Name: "lost"}, func(context.Context) (string, error) { return "", nil }))
	heard := make(chan float64, 10)
	mcptest.Matrix(t, srv, func(t *testing.T, c *mcptest.Client) {
		n := 0.0
		send := func() {
			n++
			mustAdd(t, srv.MCP().ResourceUpdated(t.Context(), &mcp.ResourceUpdatedNotificationParams{URI: "x:lost", Meta: mcp.Meta{"n": n}}))
		}
		// One after the other on one stream: what comes next tells what did not come.
		hears := func(when string) {
			t.Helper()
			send()
			if got := <-heard; got != n {
				t.Errorf("%s: heard update %v, want %v", when, got, n)
			}
		}
		mustAdd(t, c.Subscribe(t.Context(), &mcp.SubscribeParams{URI: "x:lost"}))
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for subscribed := false; !subscribed; { // go-sdk's client does not wait for that
			send()
			select {
			case <-heard:
				subscribed = true
			case <-tick.C:
			}
		}
		send()
		for got := range heard { // those on their way
			if got == n {
				break
			}
		}
		mustAdd(t, policy.Replace(none))
		send()
		mustAdd(t, policy.Replace(all))
		hears("after the policy was changed and changed back")
		suspended.Store(true)
		send()
		suspended.Store(false)
		hears("after a hook objected")
		srv.SetView(server.View{WithoutNames: []string{"x:lost"}})
		send()
		srv.SetView(server.View{})
		hears("back in view")
		mustAdd(t, c.Unsubscribe(t.Context(), &mcp.UnsubscribeParams{URI: "x:lost"}))
	}, mcptest.As(&auth.Principal{Issuer: "i", Subject: "ann"}), mcptest.WithClient(&mcp.ClientOptions{
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) {
			n, _ := r.Params.Meta["n"].(float64)
			heard <- n
		},
	}))
}
