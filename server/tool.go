package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
	"github.com/trestle-mcp/trestle/schema"
)

// A Tool describes a tool to clients. The zero value of each hint is the
// protocol's default for tools that say nothing.
type Tool struct {
	// Name is 1 to 64 letters, digits, '_', '-' and '.'; model providers
	// refuse others.
	Name string
	// Title is the name that people see. May be empty.
	Title string
	// Description tells a model what the tool does and when to use it.
	// It must not be empty.
	Description string

	ReadOnly       bool // changes nothing
	Idempotent     bool // a repeated call with the same arguments changes nothing more
	NonDestructive bool // only adds; never changes or removes what is there
	ClosedWorld    bool // touches nothing outside the server's own domain

	// Timeout overrides [Options.Timeout]. Zero: not; negative: no limit.
	Timeout time.Duration

	// Require are permissions that callers need beside execute:tools:Name, and
	// RequireScopes are scopes that their tokens need, all of them. Whoever lacks
	// a permission does not see the tool; whoever lacks a scope only is told so.
	// Both take [Options.Policy]: see [auth.Policy.NewNeed].
	Require, RequireScopes []string

	// Tags name the toolsets that the tool belongs to, see [View].
	Tags []string
	// When says for which clients there is the tool: of one era, or that can be
	// asked things. It is called often, and at the same time for many. A panic
	// hides the tool. Nil means for all.
	When func(Client) bool
	// Aliases are former names of the tool. They are called like it, to be
	// permitted and logged by its Name, and not listed.
	Aliases []string

	// InputSchema replaces the schema derived from the argument type and its
	// tags: a *jsonschema.Schema, json.RawMessage or whatever marshals to one.
	InputSchema any

	Icons []mcp.Icon
	Meta  mcp.Meta
}

// AddTool registers a tool with typed arguments and result.
//
// In is a struct (or a map): its JSON names, jsonschema descriptions and
// validate tags make the schema that clients see and that every call passes
// before h runs. Out decides the answer:
//
//   - a struct or map is structured content, checked against the schema derived
//     from it, and the same JSON as text for clients that only read that;
//   - any other value but those below is the same, as member "result" of an
//     object, because clients before 2026-07-28 accept only objects;
//   - a string is text, without structure;
//   - mcp.Content, []mcp.Content and *mcp.CallToolResult are sent as they are;
//   - any (the empty interface) is structured content without a schema.
//
// An error of h with code validation, conflict or timeout answers the model
// with its message; other codes are protocol errors. An error without a code
// is internal: its text goes to the log only.
//
// The error says what is wrong with the registration. It is also returned by
// Run and Handler, all mistakes together, so it may be ignored before those.
func AddTool[In, Out any](to Target, t Tool, h func(context.Context, In) (Out, error)) error {
	in, inErr := inputSchema[In](t.InputSchema)
	out, outErr := newOutput[Out]()
	return to.AddFeature(plugin.Feature{
		Kind: plugin.KindTool, Tool: t.sdk(in, out.schema), Timeout: t.Timeout, Aliases: t.Aliases,
		Access: Access{Require: t.Require, RequireScopes: t.RequireScopes, Tags: t.Tags, When: t.When},
		Err:    errors.Join(inErr, outErr, nilHandler(h == nil)),
		CallTool: func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			args, err := in.Decode(req.Params.Arguments)
			if err != nil {
				return nil, err
			}
			res, err := h(ctx, args)
			if err != nil {
				return nil, err
			}
			return out.result(res)
		},
	})
}

// AddSDKTool registers go-sdk's typed handler unchanged: it sees the request
// and may shape the result. Arguments and output are decoded, validated and
// described as with [AddTool]; errors are treated alike. Schemas set in t are
// kept and enforced. t is not changed. access says what callers need.
func AddSDKTool[In, Out any](to Target, t *mcp.Tool, h mcp.ToolHandlerFor[In, Out], access ...Access) error {
	if t == nil || h == nil {
		return to.AddFeature(plugin.RawTool(nil, nil))
	}
	in, inErr := inputSchema[In](t.InputSchema)
	out, outErr := newOutputFor[Out](t.OutputSchema)
	def := *t
	def.InputSchema, def.OutputSchema = rawSchema(in), out.schema
	f := plugin.RawTool(&def, func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		args, err := in.Decode(req.Params.Arguments)
		if err != nil {
			return nil, err
		}
		res, value, err := h(ctx, req, args)
		if err != nil {
			return nil, err
		}
		return out.merge(res, value)
	}, access...)
	f.Err = errors.Join(f.Err, inErr, outErr)
	return to.AddFeature(f)
}

// AddRawTool registers go-sdk's untyped handler unchanged: arguments are
// neither decoded nor validated, and the result is sent as it is. t needs an
// InputSchema and is not changed; like with [AddTool] a schema that refers to
// another place is a mistake, since clients might fetch it. access says what
// callers need.
func (s *Server) AddRawTool(t *mcp.Tool, h mcp.ToolHandler, access ...Access) error {
	return s.AddFeature(plugin.RawTool(t, h, access...))
}

// RemoveTools takes tools and their aliases back; unknown names, and those of
// plugins, are ignored. Running calls end undisturbed.
func (s *Server) RemoveTools(names ...string) { s.remove(plugin.KindTool, names) }

func (t *Tool) sdk(in interface{ JSON() json.RawMessage }, out any) *mcp.Tool {
	destructive, open := !t.NonDestructive && !t.ReadOnly, !t.ClosedWorld
	return &mcp.Tool{
		Name: t.Name, Title: t.Title, Description: t.Description, Icons: t.Icons, Meta: t.Meta,
		InputSchema: rawSchema(in), OutputSchema: out,
		Annotations: &mcp.ToolAnnotations{
			Title: t.Title, ReadOnlyHint: t.ReadOnly, IdempotentHint: t.Idempotent,
			DestructiveHint: &destructive, OpenWorldHint: &open,
		},
	}
}

// inputSchema compiles the schema of a tool's arguments.
func inputSchema[In any](override any) (*schema.Schema[In], error) {
	in, err := schema.For[In](&schema.Options{JSONSchema: override})
	if err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	if !isObjectSchema(in.JSON()) {
		return nil, errors.New("arguments: must be a struct or a map, so that their schema has type object")
	}
	return in, nil
}

func isObjectSchema(raw json.RawMessage) bool {
	var s struct {
		Type any `json:"type"`
	}
	return json.Unmarshal(raw, &s) == nil && s.Type == "object"
}
