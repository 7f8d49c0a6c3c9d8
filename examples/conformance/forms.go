package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/server"
)

// addFormTools adds tools that ask with forms of their own making. Defaults
// and titles of choices have no tag, so these schemas are written out.
func addFormTools(s *server.Server) {
	_ = server.AddTool(s, harmless("test_elicitation_sep1034_defaults", "Asks the user with a form full of defaults."),
		func(ctx context.Context, _ nothing) (string, error) {
			return fillIn(ctx, "Please review the defaults", defaultsForm)
		})
	_ = server.AddTool(s, harmless("test_elicitation_sep1330_enums", "Asks the user to choose in five ways."),
		func(ctx context.Context, _ nothing) (string, error) {
			return fillIn(ctx, "Please choose", choicesForm)
		})
}

func fillIn(ctx context.Context, message, form string) (string, error) {
	answers, err := server.Ask(ctx, mcp.InputRequestMap{"form": &mcp.ElicitParams{
		Mode: "form", Message: message, RequestedSchema: json.RawMessage(form),
	}})
	if err != nil {
		return "", err
	}
	answer, ok := answers["form"].(*mcp.ElicitResult)
	if !ok {
		return "", fmt.Errorf("the client answered with %T", answers["form"])
	}
	content, err := json.Marshal(answer.Content)
	return fmt.Sprintf("Elicitation completed: action=%s, content=%s", answer.Action, content), err
}

// defaultsForm has a default of each type (SEP-1034).
const defaultsForm = `{
	"type": "object",
	"properties": {
		"name": {"type": "string", "description": "User name", "default": "John Doe"},
		"age": {"type": "integer", "description": "User age", "default": 30},
		"score": {"type": "number", "description": "User score", "default": 95.5},
		"status": {
			"type": "string", "description": "User status",
			"enum": ["active", "inactive", "pending"], "default": "active"
		},
		"verified": {"type": "boolean", "description": "Verification status", "default": true}
	}
}`

// choicesForm has each way to offer choices (SEP-1330).
const choicesForm = `{
	"type": "object",
	"properties": {
		"untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
		"titledSingle": {
			"type": "string",
			"oneOf": [
				{"const": "value1", "title": "First Option"},
				{"const": "value2", "title": "Second Option"},
				{"const": "value3", "title": "Third Option"}
			]
		},
		"legacyEnum": {
			"type": "string",
			"enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]
		},
		"untitledMulti": {
			"type": "array", "minItems": 1, "maxItems": 3,
			"items": {"type": "string", "enum": ["option1", "option2", "option3"]}
		},
		"titledMulti": {
			"type": "array", "minItems": 1, "maxItems": 3,
			"items": {
				"anyOf": [
					{"const": "value1", "title": "First Choice"},
					{"const": "value2", "title": "Second Choice"},
					{"const": "value3", "title": "Third Choice"}
				]
			}
		}
	}
}`
