package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
)

func (a *app) watchCommand() *cobra.Command {
	var uris []string
	c := a.targetFlags(&cobra.Command{
		Use:   "watch URL | -- COMMAND",
		Short: "Show what a server tells by itself, until interrupted",
		Long:  "Show what a server tells by itself, until interrupted: changed lists, changed resources, log messages.",
		RunE: func(c *cobra.Command, args []string) error {
			opts := a.told()
			return a.with(c, args, opts, func(ctx context.Context, s *mcp.ClientSession, rest []string) error {
				if len(rest) > 0 {
					return usage("watch takes one server, not also %q", rest)
				}
				for _, uri := range uris {
					if err := s.Subscribe(ctx, &mcp.SubscribeParams{URI: uri}); err != nil {
						return err
					}
				}
				over := make(chan error, 1)
				go func() { over <- s.Wait() }() // ends with the session
				select {
				case <-ctx.Done():
					return nil
				case err := <-over:
					return &exitError{exitUnreachable, err}
				}
			})
		},
	})
	c.Flags().StringArrayVar(&uris, "resource", nil, "a resource to subscribe to; may be repeated")
	return c
}

// A notice is one line of watch.
type notice struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Params any       `json:"params,omitempty"`
}

// told returns options of a client that writes what it is told.
func (a *app) told() *mcp.ClientOptions {
	var mu sync.Mutex
	write := func(method string, params any) {
		mu.Lock()
		defer mu.Unlock()
		n := notice{time.Now().UTC(), method, params}
		if a.json {
			if raw, err := json.Marshal(n); err == nil { // it has come as JSON
				a.printf("%s\n", raw)
			}
			return
		}
		raw, err := json.Marshal(params)
		if err != nil {
			raw = nil
		}
		a.printf("%s  %s %s\n", a.paint(faint, n.Time.Format(time.TimeOnly)), a.paint(bold, method), clean(string(raw)))
	}
	return &mcp.ClientOptions{
		ToolListChangedHandler: func(_ context.Context, r *mcp.ToolListChangedRequest) {
			write("notifications/tools/list_changed", r.Params)
		},
		PromptListChangedHandler: func(_ context.Context, r *mcp.PromptListChangedRequest) {
			write("notifications/prompts/list_changed", r.Params)
		},
		ResourceListChangedHandler: func(_ context.Context, r *mcp.ResourceListChangedRequest) {
			write("notifications/resources/list_changed", r.Params)
		},
		ResourceUpdatedHandler: func(_ context.Context, r *mcp.ResourceUpdatedNotificationRequest) {
			write("notifications/resources/updated", r.Params)
		},
		LoggingMessageHandler: func(_ context.Context, r *mcp.LoggingMessageRequest) {
			write("notifications/message", r.Params)
		},
	}
}
