package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/trestle-mcp/trestle/server"
)

type (
	delayIn struct {
		MS int64 `json:"ms" jsonschema:"milliseconds" validate:"gte=0,lte=3600000"`
	}
	sizeIn struct {
		Bytes int `json:"bytes" jsonschema:"length of the answer" validate:"gte=0,lte=67108864"`
	}
)

// canary is a secret that must never reach a client.
const canary = "s3cr3t-canary"

// addChaos adds tools that do what handlers should not: those of
// examples/conformance that hold for one server.
func addChaos(s *server.Server) {
	chaos := func(name, description string) server.Tool {
		return server.Tool{Name: name, Description: description, ReadOnly: true, ClosedWorld: true}
	}
	_ = server.AddTool(s, chaos("chaos_panic", "Panics."),
		func(context.Context, struct{}) (string, error) { panic("chaos_panic: password=" + canary) })
	_ = server.AddTool(s, chaos("chaos_error", "Fails with an error that nobody thought about."),
		func(context.Context, struct{}) (string, error) {
			return "", errors.New("connect: password=" + canary + " rejected")
		})
	_ = server.AddTool(s, chaos("chaos_hang", "Sleeps, even if nobody waits for it any more."),
		func(_ context.Context, in delayIn) (string, error) {
			<-time.After(time.Duration(in.MS) * time.Millisecond)
			return "Good morning.", nil
		})
	_ = server.AddTool(s, chaos("chaos_wait", "Waits, unless the call is cancelled."),
		func(ctx context.Context, in delayIn) (string, error) {
			select {
			case <-time.After(time.Duration(in.MS) * time.Millisecond):
				return "Nobody cancelled.", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
	_ = server.AddTool(s, chaos("chaos_big", "Answers at length."),
		func(_ context.Context, in sizeIn) (string, error) { return strings.Repeat("x", in.Bytes), nil })
}
