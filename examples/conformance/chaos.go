package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/trestle-mcp/trestle/server"
)

type (
	delayIn struct {
		MS int64 `json:"ms" jsonschema:"milliseconds" validate:"gte=0,lte=3600000"`
	}
	intIn struct {
		N int64 `json:"n" jsonschema:"any 64-bit integer"`
	}
	sizeIn struct {
		Bytes int `json:"bytes" jsonschema:"length of the answer" validate:"gte=0,lte=67108864"`
	}
)

// canary is a secret that must never reach a client.
const canary = "s3cr3t-canary"

// addChaos adds tools that do what handlers should not.
func addChaos(s *server.Server) {
	_ = server.AddTool(s, harmless("chaos_panic", "Panics."),
		func(context.Context, nothing) (string, error) { panic("chaos_panic: password=" + canary) })
	_ = server.AddTool(s, harmless("chaos_error", "Fails with an error that nobody thought about."),
		func(context.Context, nothing) (string, error) {
			return "", errors.New("connect: password=" + canary + " rejected")
		})
	_ = server.AddTool(s, harmless("chaos_hang", "Sleeps, even if nobody waits for it any more."),
		func(_ context.Context, in delayIn) (string, error) {
			<-time.After(time.Duration(in.MS) * time.Millisecond)
			return "Good morning.", nil
		})
	_ = server.AddTool(s, harmless("chaos_int", "Repeats an integer."),
		func(_ context.Context, in intIn) (string, error) { return strconv.FormatInt(in.N, 10), nil })
	_ = server.AddTool(s, harmless("chaos_big", "Answers at length."),
		func(_ context.Context, in sizeIn) (string, error) { return strings.Repeat("x", in.Bytes), nil })
	addCancellable(s)
}

// addCancellable adds a tool that notices when its call is over, and a
// resource that says how often it did.
func addCancellable(s *server.Server) {
	var cancelled atomic.Int64
	_ = server.AddTool(s, harmless("chaos_wait", "Waits, unless the call is cancelled."),
		func(ctx context.Context, in delayIn) (string, error) {
			server.Progress(ctx, 0, 1, "waiting")
			if err := wait(ctx, time.Duration(in.MS)*time.Millisecond); err != nil {
				cancelled.Add(1)
				return "", err
			}
			return "Nobody cancelled.", nil
		})
	_ = server.AddResource(s, server.Resource{
		URI: "chaos://cancelled", Name: "cancelled", MIMEType: "text/plain", Description: "How many waits were cancelled.",
	}, func(context.Context) (string, error) { return strconv.FormatInt(cancelled.Load(), 10), nil })
}
