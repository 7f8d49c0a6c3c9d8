package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/server"
)

type (
	nameForm struct {
		Name string `json:"name" jsonschema:"what to call you"`
	}
	colorForm struct {
		Color string `json:"color" jsonschema:"your favorite color"`
	}
	confirmForm struct {
		OK bool `json:"ok" jsonschema:"whether to go on"`
	}
)

// nameSchema is what [server.Elicit] makes of nameForm by itself.
const nameSchema = `{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}`

// addRoundTools adds tools that need several rounds of one call (SEP-2322):
// modern clients get questions as the answer, and call again with the answers
// and with the state, which Trestle seals. Legacy clients are asked directly.
func addRoundTools(s *server.Server) {
	const prefix = "test_input_required_result_"
	_ = server.AddTool(s, harmless(prefix+"elicitation", "Greets the user by name."), greet)
	_ = server.AddTool(s, harmless(prefix+"sampling", "Asks the client's model a question."), askCapital)
	_ = server.AddTool(s, harmless(prefix+"list_roots", "Lists the client's roots."), listRoots)
	_ = server.AddTool(s, harmless(prefix+"request_state", "Asks to confirm."), confirm)
	_ = server.AddTool(s, harmless(prefix+"multiple_inputs", "Asks user, model and client at once."), askAll)
	_ = server.AddTool(s, harmless(prefix+"multi_round", "Asks two questions, one after another."), askTwice)
	_ = server.AddTool(s, harmless(prefix+"tampered_state", "Asks to confirm, and notices forged state."), confirm)
	_ = server.AddTool(s, harmless(prefix+"capabilities", "Asks only what the client can answer."), askWhatIsPossible)
}

func greet(ctx context.Context, _ nothing) (string, error) {
	user, err := server.Elicit[nameForm](ctx, "user_name", "What is your name?")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Hello, %s!", user.Name), nil
}

func askCapital(ctx context.Context, _ nothing) (string, error) {
	answers, err := server.Ask(ctx, mcp.InputRequestMap{"capital_question": sampling("What is the capital of France?")})
	if err != nil {
		return "", err
	}
	return "The model says: " + sampled(answers["capital_question"]), nil
}

func listRoots(ctx context.Context, _ nothing) (string, error) {
	answers, err := server.Ask(ctx, mcp.InputRequestMap{"client_roots": new(mcp.ListRootsParams)})
	if err != nil {
		return "", err
	}
	return roots(answers["client_roots"]), nil
}

func confirm(ctx context.Context, _ nothing) (string, error) {
	answer, err := server.Elicit[confirmForm](ctx, "confirm", "Please confirm.")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("state-ok: confirmed=%t", answer.OK), nil
}

func askAll(ctx context.Context, _ nothing) (string, error) {
	answers, err := server.Ask(ctx, mcp.InputRequestMap{
		"user_name": &mcp.ElicitParams{
			Mode: "form", Message: "What is your name?", RequestedSchema: json.RawMessage(nameSchema),
		},
		"greeting":     sampling("Write a short greeting."),
		"client_roots": new(mcp.ListRootsParams),
	})
	if err != nil {
		return "", err
	}
	var name any
	if user, ok := answers["user_name"].(*mcp.ElicitResult); ok {
		name = user.Content["name"]
	}
	return fmt.Sprintf("%s says %q. %s", name, sampled(answers["greeting"]), roots(answers["client_roots"])), nil
}

func askTwice(ctx context.Context, _ nothing) (string, error) {
	user, err := server.Elicit[nameForm](ctx, "step1", "Step 1: What is your name?")
	if err != nil {
		return "", err
	}
	favorite, err := server.Elicit[colorForm](ctx, "step2", "Step 2: What is your favorite color?")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s likes %s.", user.Name, favorite.Color), nil
}

// askWhatIsPossible asks for nothing that the client cannot give.
func askWhatIsPossible(ctx context.Context, _ nothing) (string, error) {
	questions := make(mcp.InputRequestMap)
	can := server.ClientCapabilities(ctx)
	if can.Sampling != nil {
		questions["greeting"] = sampling("Write a short greeting.")
	}
	if can.RootsV2 != nil {
		questions["client_roots"] = new(mcp.ListRootsParams)
	}
	if can.Elicitation != nil {
		questions["user_name"] = &mcp.ElicitParams{
			Mode: "form", Message: "What is your name?", RequestedSchema: json.RawMessage(nameSchema),
		}
	}
	answers, err := server.Ask(ctx, questions)
	return fmt.Sprintf("%d questions were answered.", len(answers)), err
}

func roots(answer mcp.InputResponse) string {
	var uris []string
	if list, ok := answer.(*mcp.ListRootsResult); ok {
		for _, root := range list.Roots {
			uris = append(uris, root.URI)
		}
	}
	return fmt.Sprintf("The client has %d roots: %s", len(uris), strings.Join(uris, ", "))
}
