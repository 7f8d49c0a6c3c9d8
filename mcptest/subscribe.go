package mcptest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/era"
)

// Subscribe has the server tell when a resource changes. It returns when the
// server knows: what changes from then on is told. go-sdk's own, in the newest
// version, returns when it has asked.
func (c *Client) Subscribe(ctx context.Context, params *mcp.SubscribeParams) error {
	if err := c.ClientSession.Subscribe(ctx, params); err != nil || !c.modern() {
		return err
	}
	return c.listened(ctx, func(l listening) bool { return slices.Contains(l.ResourceSubscriptions, params.URI) })
}

func (c *Client) modern() bool { return era.IsModern(c.InitializeResult().ProtocolVersion) }

// watch waits until the server knows that it has to tell of changed lists.
func (c *Client) watch(ctx context.Context) error {
	has := c.InitializeResult().Capabilities
	if !c.watching || !c.modern() || has == nil ||
		((has.Tools == nil || !has.Tools.ListChanged) && (has.Prompts == nil || !has.Prompts.ListChanged) &&
			(has.Resources == nil || !has.Resources.ListChanged)) {
		return nil // the client has not asked
	}
	return c.listened(ctx, func(l listening) bool { return l.Tools || l.Prompts || l.Resources })
}

// listening is what a client wants to be told.
type listening struct {
	Tools                 bool     `json:"toolsListChanged"`
	Prompts               bool     `json:"promptsListChanged"`
	Resources             bool     `json:"resourcesListChanged"`
	ResourceSubscriptions []string `json:"resourceSubscriptions"`
}

// listened waits until the last request to be told that matches is acknowledged,
// or answered, which ends it.
func (c *Client) listened(ctx context.Context, matches func(listening) bool) error {
	timeout, stop := c.patient()
	defer stop()
	for {
		messages, _, grown := c.x.since(0)
		if acknowledged(messages, matches) {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timeout:
			return fmt.Errorf("mcptest: the server did not acknowledge a subscription in %v", c.patience)
		}
	}
}

func acknowledged(messages []recorded, matches func(listening) bool) bool {
	var asked json.RawMessage
	done := false
	for _, m := range messages {
		switch {
		case m.Sent && m.Method == "subscriptions/listen":
			var params struct {
				Notifications listening `json:"notifications"`
			}
			if m.DecodeParams(&params) == nil && matches(params.Notifications) {
				asked, done = m.ID, false
			}
		case m.Sent || asked == nil:
		case m.Method == "notifications/subscriptions/acknowledged":
			var params struct {
				Meta map[string]json.RawMessage `json:"_meta"`
			}
			done = done || (m.DecodeParams(&params) == nil && string(params.Meta[mcp.MetaKeySubscriptionID]) == string(asked))
		case m.Method == "" && string(m.ID) == string(asked):
			done = true
		}
	}
	return done
}
