package main

import (
	"context"
	"sync"

	"github.com/trestle-mcp/trestle/server"
)

// addChangingTools adds tools that change the server while it serves. Clients
// that listen are told that a list changed.
func addChangingTools(s *server.Server) {
	var mu sync.Mutex // between the removal and the new registration
	_ = server.AddTool(s, server.Tool{
		Name: "test_trigger_tool_change", Description: "Changes the list of tools.", NonDestructive: true, ClosedWorld: true,
	}, func(context.Context, nothing) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		s.RemoveTools("test_transient_tool")
		err := server.AddTool(s, harmless("test_transient_tool", "Comes and goes."), transient)
		return "The list of tools changed.", err
	})
	_ = server.AddTool(s, server.Tool{
		Name: "test_trigger_prompt_change", Description: "Changes the list of prompts.", NonDestructive: true, ClosedWorld: true,
	}, func(context.Context, nothing) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		s.RemovePrompts("test_transient_prompt")
		err := server.AddPrompt(s, server.Prompt{Name: "test_transient_prompt", Description: "Comes and goes."}, transient)
		return "The list of prompts changed.", err
	})
}

func transient(context.Context, nothing) (string, error) { return "Here today, gone tomorrow.", nil }
