package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/trestle-mcp/trestle/middleware"
)

func (a *app) callCommand() *cobra.Command {
	var raw string
	c := a.targetFlags(&cobra.Command{
		Use:   "call [URL] TOOL [NAME=VALUE ...] [-- COMMAND]",
		Short: "Call a tool and show what it answers",
		Long: `Call a tool and show what it answers.

Arguments are NAME=VALUE. The value is taken as the tool's schema says: 5 is a
number for a number and text for a text; objects and lists are JSON. With --args all
of them are one JSON object: as it stands, from a file (@FILE) or from standard
input (@-).`,
		RunE: func(c *cobra.Command, args []string) error {
			progress := func(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
				if p := req.Params; terminal(a.err) {
					_, _ = io.WriteString(a.err, clean(p.Message)+"\n") // as printf
				}
			}
			return a.with(c, args, &mcp.ClientOptions{ProgressNotificationHandler: progress}, func(ctx context.Context, s *mcp.ClientSession, rest []string) error {
				if len(rest) == 0 {
					return usage("say which tool to call")
				}
				ctx, cancel := a.within(ctx)
				defer cancel()
				given, err := a.givenArguments(ctx, s, rest[0], raw, rest[1:])
				if err != nil {
					return err
				}
				params := &mcp.CallToolParams{Name: rest[0], Arguments: given}
				params.SetProgressToken("trestle")
				res, err := s.CallTool(ctx, params)
				if err != nil {
					return err
				}
				if err := a.printResult(res); err != nil {
					return err
				}
				if middleware.Failure(res, nil) != nil {
					return &exitError{code: exitFailed}
				}
				return nil
			})
		},
	})
	c.Flags().StringVar(&raw, "args", "", "all arguments as a JSON object, or @FILE, or @-")
	return c
}

func (a *app) printResult(res *mcp.CallToolResult) error {
	if a.json {
		return a.printJSON(res)
	}
	for _, item := range res.Content {
		switch item := item.(type) {
		case *mcp.TextContent:
			a.printf("%s\n", clean(item.Text))
		default:
			raw, err := json.Marshal(item)
			if err != nil {
				return err
			}
			a.printf("%s\n", firstLine(string(raw), 200))
		}
	}
	if len(res.Content) == 0 && res.StructuredContent != nil {
		return a.printJSON(res.StructuredContent)
	}
	return nil
}

// givenArguments returns the arguments of a call as the command line has them.
func (a *app) givenArguments(ctx context.Context, s *mcp.ClientSession, tool, raw string, pairs []string) (any, error) {
	if raw != "" {
		if len(pairs) > 0 {
			return nil, usage("give the arguments by --args or as NAME=VALUE, not both")
		}
		return a.wholeArguments(raw)
	}
	if len(pairs) == 0 {
		return map[string]any{}, nil
	}
	types, err := argumentTypes(ctx, s, tool)
	if err != nil {
		return nil, err
	}
	given := map[string]any{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usage("%q is not NAME=VALUE", pair)
		}
		given[name] = typed(value, types[name])
	}
	return given, nil
}

func (a *app) wholeArguments(raw string) (any, error) {
	if file, isFile := strings.CutPrefix(raw, "@"); isFile {
		read := func() ([]byte, error) { return os.ReadFile(file) } //nolint:gosec // the user's own file
		if file == "-" {
			read = func() ([]byte, error) { return io.ReadAll(a.in) }
		}
		content, err := read()
		if err != nil {
			return nil, usage("--args: %w", err)
		}
		raw = string(content)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &object); err != nil {
		return nil, usage("--args takes a JSON object: %w", err)
	}
	return json.RawMessage(raw), nil
}

// argumentTypes returns the type that a tool's schema gives to each argument.
func argumentTypes(ctx context.Context, s *mcp.ClientSession, tool string) (map[string]string, error) {
	for t, err := range s.Tools(ctx, nil) {
		switch {
		case err != nil:
			return nil, err
		case t.Name != tool:
			continue
		}
		raw, err := json.Marshal(t.InputSchema)
		if err != nil {
			return nil, err
		}
		var schema struct {
			Properties map[string]struct{ Type any }
		}
		if err := json.Unmarshal(raw, &schema); err != nil {
			return nil, err
		}
		types := map[string]string{}
		for name, p := range schema.Properties {
			types[name], _ = p.Type.(string)
		}
		return types, nil
	}
	return nil, nil // the server says best that there is no such tool
}

// typed takes value as text where the schema wants text, and as JSON where it is.
func typed(value, want string) any {
	if want == "string" || !json.Valid([]byte(value)) {
		return value
	}
	return json.RawMessage(value)
}
