package main

import (
	"context"
	"fmt"
	"time"

	"github.com/trestle-mcp/trestle/server"
)

// step is the time between two notifications.
const step = 50 * time.Millisecond

// addNotifyingTools adds tools that tell the client something while they run.
// Neither progress nor log messages can fail a call, and clients that did not
// ask for them get none.
func addNotifyingTools(s *server.Server) {
	_ = server.AddTool(s, harmless("test_tool_with_logging", "Sends three log messages while it runs."), logThrice)
	_ = server.AddTool(s, harmless("test_tool_with_progress", "Tells its progress while it runs."), progressThrice)
	_ = server.AddTool(s, harmless("test_logging_tool", "Sends one log message."),
		func(ctx context.Context, _ nothing) (string, error) {
			server.LogToClient(ctx, "info", "test_logging_tool runs")
			return "A log message was sent if the client asked for it.", nil
		})
	_ = server.AddTool(s, harmless("test_streaming_elicitation", "Streams its progress."), progressThrice)
}

func logThrice(ctx context.Context, _ nothing) (string, error) {
	server.LogToClient(ctx, "info", "Tool execution started")
	if err := wait(ctx, step); err != nil {
		return "", err
	}
	server.LogToClient(ctx, "info", "Tool processing data")
	if err := wait(ctx, step); err != nil {
		return "", err
	}
	server.LogToClient(ctx, "info", "Tool execution completed")
	return "Three log messages were sent.", nil
}

func progressThrice(ctx context.Context, _ nothing) (string, error) {
	const total = 100
	for done := 0; done <= total; done += 50 {
		server.Progress(ctx, float64(done), total, fmt.Sprintf("%d of %d done", done, total))
		if err := wait(ctx, step); err != nil {
			return "", err
		}
	}
	return "Progress was reported.", nil
}

// wait returns after d, or earlier with an error if the call is over.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
