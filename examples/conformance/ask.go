package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/server"
)

type (
	samplingIn struct {
		Prompt string `json:"prompt" jsonschema:"what to ask the client's model"`
	}
	elicitationIn struct {
		Message string `json:"message" jsonschema:"what to ask the user"`
	}
	account struct {
		Username string `json:"username" jsonschema:"the user's name"`
		Email    string `json:"email,omitempty" jsonschema:"the user's email address" validate:"omitempty,email"`
	}
)

// addAskingTools adds tools that ask the client's model and its user. Written
// once, they work in both eras of the protocol.
func addAskingTools(s *server.Server) {
	_ = server.AddTool(s, harmless("test_sampling", "Asks the client's model."),
		func(ctx context.Context, in samplingIn) (string, error) {
			answers, err := server.Ask(ctx, mcp.InputRequestMap{"completion": sampling(in.Prompt)})
			if err != nil {
				return "", err
			}
			return "LLM response: " + sampled(answers["completion"]), nil
		})
	_ = server.AddTool(s, harmless("test_elicitation", "Asks the user for name and email address."), askAccount)
}

func askAccount(ctx context.Context, in elicitationIn) (string, error) {
	user, err := server.Elicit[account](ctx, "account", in.Message)
	switch {
	case errors.Is(err, server.ErrDeclined):
		return "User response: action=decline", nil
	case errors.Is(err, server.ErrDismissed):
		return "User response: action=cancel", nil
	case err != nil: // also how a modern client is asked
		return "", err
	}
	content, err := json.Marshal(user)
	return fmt.Sprintf("User response: action=accept, content=%s", content), err
}

func sampling(prompt string) *mcp.CreateMessageParams {
	return &mcp.CreateMessageParams{
		Messages:  []*mcp.SamplingMessage{{Role: "user", Content: &mcp.TextContent{Text: prompt}}},
		MaxTokens: 100,
	}
}

// sampled returns the text in the answer to a sampling request.
func sampled(answer mcp.InputResponse) string {
	var texts []string
	if a, ok := answer.(*mcp.CreateMessageWithToolsResult); ok {
		for _, c := range a.Content {
			if t, ok := c.(*mcp.TextContent); ok {
				texts = append(texts, t.Text)
			}
		}
	}
	return strings.Join(texts, "\n")
}
