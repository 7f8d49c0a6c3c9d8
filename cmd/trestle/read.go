package main

import (
	"context"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
)

func (a *app) readCommand() *cobra.Command {
	return a.targetFlags(&cobra.Command{
		Use:   "read [URL] RESOURCE [-- COMMAND]",
		Short: "Read a resource",
		Long:  "Read a resource. Binary contents are written as they are, so redirect them.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c, args, nil, func(ctx context.Context, s *mcp.ClientSession, rest []string) error {
				if len(rest) != 1 {
					return usage("say which one resource to read, by its URI")
				}
				ctx, cancel := a.within(ctx)
				defer cancel()
				res, err := s.ReadResource(ctx, &mcp.ReadResourceParams{URI: rest[0]})
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(res)
				}
				for _, part := range res.Contents {
					if part.Blob == nil {
						a.printf("%s\n", clean(strings.TrimSuffix(part.Text, "\n")))
						continue
					}
					if terminal(a.out) {
						return usage("%s is binary, %d bytes: redirect the output, or use --json", part.URI, len(part.Blob))
					}
					if _, err := a.out.Write(part.Blob); err != nil {
						return err
					}
				}
				return nil
			})
		},
	})
}

func (a *app) promptCommand() *cobra.Command {
	return a.targetFlags(&cobra.Command{
		Use:   "prompt [URL] NAME [ARGUMENT=VALUE ...] [-- COMMAND]",
		Short: "Get a prompt",
		Long:  "Get a prompt, filled in with arguments.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c, args, nil, func(ctx context.Context, s *mcp.ClientSession, rest []string) error {
				if len(rest) == 0 {
					return usage("say which prompt to get")
				}
				given := map[string]string{}
				for _, pair := range rest[1:] {
					name, value, ok := strings.Cut(pair, "=")
					if !ok || name == "" {
						return usage("%q is not ARGUMENT=VALUE", pair)
					}
					given[name] = value
				}
				ctx, cancel := a.within(ctx)
				defer cancel()
				res, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: rest[0], Arguments: given})
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(res)
				}
				for _, m := range res.Messages {
					text, ok := m.Content.(*mcp.TextContent)
					if !ok {
						text = &mcp.TextContent{Text: "(not text; use --json)"}
					}
					a.printf("%s %s\n", a.paint(bold, string(m.Role)+":"), clean(text.Text))
				}
				return nil
			})
		},
	})
}
