package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/trestle-mcp/trestle/internal/catalog"
)

func (a *app) inspectCommand() *cobra.Command {
	return a.targetFlags(&cobra.Command{
		Use:   "inspect URL | -- COMMAND",
		Short: "Show what a server offers: tools, resources, prompts",
		Long:  "Show what a server offers: its tools with their arguments, its resources and prompts.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c, args, nil, func(ctx context.Context, s *mcp.ClientSession, rest []string) error {
				if len(rest) > 0 {
					return usage("inspect takes one server, not also %q", rest)
				}
				ctx, cancel := a.within(ctx)
				defer cancel()
				all, err := catalog.Fetch(ctx, s)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(inspected{
						Server: s.InitializeResult().ServerInfo, ProtocolVersion: s.InitializeResult().ProtocolVersion, Catalog: all,
					})
				}
				a.printCatalog(s.InitializeResult(), all)
				return nil
			})
		},
	})
}

// inspected is what inspect writes as JSON.
type inspected struct {
	Server          *mcp.Implementation `json:"server"`
	ProtocolVersion string              `json:"protocol_version"`
	*catalog.Catalog
}

func (a *app) printCatalog(init *mcp.InitializeResult, all *catalog.Catalog) {
	if info := init.ServerInfo; info != nil {
		a.printf("%s %s, protocol %s\n", a.paint(bold, clean(info.Name)), clean(info.Version), clean(init.ProtocolVersion))
	}
	if all.Instructions != "" {
		a.printf("%s\n", clean(strings.TrimSpace(all.Instructions)))
	}
	a.table("TOOLS", len(all.Tools), func(row func(...string)) {
		for _, t := range all.Tools {
			row(t.Name, arguments(t.InputSchema), hints(t.Annotations), firstLine(t.Description, 80))
		}
	})
	a.table("RESOURCES", len(all.Resources), func(row func(...string)) {
		for _, r := range all.Resources {
			row(r.URI, r.MIMEType, "", firstLine(r.Description, 80))
		}
	})
	a.table("RESOURCE TEMPLATES", len(all.Templates), func(row func(...string)) {
		for _, t := range all.Templates {
			row(t.URITemplate, t.MIMEType, "", firstLine(t.Description, 80))
		}
	})
	a.table("PROMPTS", len(all.Prompts), func(row func(...string)) {
		for _, p := range all.Prompts {
			var names []string
			for _, arg := range p.Arguments {
				names = append(names, optional(arg.Name, arg.Required))
			}
			row(p.Name, strings.Join(names, ", "), "", firstLine(p.Description, 80))
		}
	})
}

// table writes a heading and rows below each other.
func (a *app) table(heading string, n int, rows func(row func(...string))) {
	if n == 0 {
		return
	}
	a.printf("\n%s\n", a.paint(bold, heading))
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	rows(func(cells ...string) {
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(clean(cell), "\t", " ")
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight("  "+strings.Join(cells, "\t"), "\t"))
	})
	_ = w.Flush() // as printf
}

// arguments lists the properties of a schema: "a, b?, c?".
func arguments(schema any) string {
	raw, err := json.Marshal(schema)
	if err != nil {
		return ""
	}
	var s struct {
		Properties map[string]json.RawMessage
		Required   []string
	}
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	var names []string
	for name := range s.Properties {
		names = append(names, optional(name, slices.Contains(s.Required, name)))
	}
	slices.SortFunc(names, func(a, b string) int {
		if x, y := strings.HasSuffix(a, "?"), strings.HasSuffix(b, "?"); x != y {
			return map[bool]int{true: 1, false: -1}[x]
		}
		return strings.Compare(a, b)
	})
	return strings.Join(names, ", ")
}

func optional(name string, required bool) string {
	if required {
		return name
	}
	return name + "?"
}

// hints says what a tool says of its effects.
func hints(a *mcp.ToolAnnotations) string {
	switch {
	case a == nil:
		return ""
	case a.ReadOnlyHint:
		return "read-only"
	case a.DestructiveHint != nil && !*a.DestructiveHint:
		return "adds"
	default:
		return "changes"
	}
}
