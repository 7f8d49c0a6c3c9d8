package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/server"
)

// Arguments of prompts arrive as text; the fields' types convert them.
type (
	twoArguments struct {
		Arg1 string `json:"arg1" jsonschema:"First test argument"`
		Arg2 string `json:"arg2" jsonschema:"Second test argument"`
	}
	resourceArgument struct {
		URI string `json:"resourceUri" jsonschema:"URI of the resource to embed"`
	}
	contextForm struct {
		Context string `json:"context" jsonschema:"what the prompt should know"`
	}
)

func addPrompts(s *server.Server) {
	_ = server.AddPrompt(s, server.Prompt{Name: "test_simple_prompt", Description: "A prompt without arguments."},
		func(context.Context, nothing) (string, error) { return "This is a simple prompt for testing.", nil })
	_ = server.AddPrompt(s, server.Prompt{Name: "test_prompt_with_arguments", Description: "A prompt with two arguments."},
		func(_ context.Context, in twoArguments) (string, error) {
			return fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", in.Arg1, in.Arg2), nil
		})
	_ = s.CompletePrompt("test_prompt_with_arguments", "arg1", suggest)
	_ = server.AddPrompt(s, server.Prompt{
		Name: "test_prompt_with_embedded_resource", Description: "A prompt with a resource inside.",
	}, func(_ context.Context, in resourceArgument) ([]*mcp.PromptMessage, error) {
		return says(embedded(in.URI), &mcp.TextContent{Text: "Please process the embedded resource above."}), nil
	})
	_ = server.AddPrompt(s, server.Prompt{Name: "test_prompt_with_image", Description: "A prompt with an image."},
		func(context.Context, nothing) ([]*mcp.PromptMessage, error) {
			return says(image(), &mcp.TextContent{Text: "Please analyze the image above."}), nil
		})
	_ = server.AddPrompt(s, server.Prompt{
		Name: "test_input_required_result_prompt", Description: "A prompt that asks the user first.",
	}, func(ctx context.Context, _ nothing) (string, error) {
		answer, err := server.Elicit[contextForm](ctx, "user_context", "What context should the prompt use?")
		return "Use this context: " + answer.Context, err
	})
}

// suggest completes what the user has typed so far.
func suggest(_ context.Context, typed string, _ map[string]string) ([]string, error) {
	var fit []string
	for _, word := range []string{"paris", "park", "party"} {
		if strings.HasPrefix(word, typed) {
			fit = append(fit, word)
		}
	}
	return fit, nil
}

// says returns a message of the user for each content.
func says(contents ...mcp.Content) []*mcp.PromptMessage {
	var messages []*mcp.PromptMessage
	for _, c := range contents {
		messages = append(messages, &mcp.PromptMessage{Role: "user", Content: c})
	}
	return messages
}
