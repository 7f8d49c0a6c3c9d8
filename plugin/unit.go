package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/toolresult"
)

// A unit is one version of a plugin, as a manager has it.
type unit struct {
	gate

	m      *Manager
	setup  Setup
	plugin Plugin

	name, version string
	semver        *semver.Version
	requires      []requirement
	permissions   []Permission
	toolsets      []Toolset
	middleware    mcp.Middleware // or nil
	features      []*Feature
	hash          string

	// Under the manager's lock.
	state   State
	reason  string
	since   time.Time
	retryAt time.Time
	circuit circuit

	panics   atomic.Int64
	checking atomic.Bool
	hidden   atomic.Int64 // calls of When that hang
}

// serves reports whether the unit has features with the host.
func (u *unit) serves() bool { return u.state == Enabled }

// turn changes the state. The manager's lock is held.
func (u *unit) turn(s State, reason string) {
	u.state, u.reason, u.since, u.retryAt = s, reason, time.Now(), time.Time{}
}

// own makes a feature the unit's: its calls go through the gate and the plugin's
// middleware, and its name has the prefix.
func (u *unit) own(f *Feature) error {
	f.Owner = u
	if f.definition() == nil || isNilDefinition(f) {
		return errors.New("no definition")
	}
	if err := u.freeze(f); err != nil {
		return err
	}
	if err := u.checkAccess(f.Access); err != nil {
		return err
	}
	if f.Access.When != nil {
		f.Access.When = u.bounded(f.Access.When)
	}
	return u.intercept(f)
}

func isNilDefinition(f *Feature) bool {
	switch f.Kind {
	case KindTool:
		return f.Tool == nil || f.CallTool == nil
	case KindPrompt:
		return f.Prompt == nil || f.GetPrompt == nil
	case KindResource:
		return f.Resource == nil || f.Read == nil
	case KindTemplate:
		return f.Template == nil || f.Read == nil
	}
	return true
}

// intercept puts the plugin's middleware around the handler, and around that what
// counts panics and cancels calls.
func (u *unit) intercept(f *Feature) (err error) {
	what := fmt.Sprintf("%s %q", f.Kind, f.Name())
	if len(f.Completers) > 0 {
		h := f.suggest
		if u.middleware != nil {
			if h, err = around(u.middleware, "completion/complete", h); err != nil {
				return err
			}
		}
		f.complete = func(ctx context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			return run(ctx, u, "a completion of "+what, req, h)
		}
	}
	switch f.Kind {
	case KindTool:
		h := f.CallTool
		if u.middleware != nil {
			h, err = around(u.middleware, "tools/call", h)
			h = encodable(h)
		}
		f.CallTool = func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return run(ctx, u, what, req, h)
		}
	case KindPrompt:
		h := f.GetPrompt
		if u.middleware != nil {
			h, err = around(u.middleware, "prompts/get", h)
		}
		f.GetPrompt = func(ctx context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return run(ctx, u, what, req, h)
		}
	default:
		h := f.Read
		if u.middleware != nil {
			h, err = around(u.middleware, "resources/read", h)
		}
		f.Read = func(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return run(ctx, u, what, req, h)
		}
	}
	return err
}

// encodable is h whose results can be sent, also those that a middleware made.
func encodable(h mcp.ToolHandler) mcp.ToolHandler {
	return func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		res, err := h(ctx, req)
		if err != nil {
			return nil, err
		}
		return toolresult.Encodable(res)
	}
}

// around returns h with a middleware before it.
func around[Req mcp.Request, Res mcp.Result](mw mcp.Middleware, method string, h func(context.Context, Req) (Res, error)) (func(context.Context, Req) (Res, error), error) {
	wrapped := mw(func(ctx context.Context, _ string, req mcp.Request) (mcp.Result, error) {
		r, ok := req.(Req)
		if !ok {
			return nil, fmt.Errorf("the plugin's middleware made the request a %T", req)
		}
		return h(ctx, r)
	})
	if wrapped == nil {
		return nil, errors.New("middleware: returned a nil handler")
	}
	return func(ctx context.Context, req Req) (Res, error) {
		var none Res
		res, err := wrapped(ctx, method, req)
		if err != nil {
			return none, err
		}
		r, ok := res.(Res)
		if !ok {
			return none, fmt.Errorf("the plugin's middleware made the result a %T", res)
		}
		return r, nil
	}, nil
}

// run calls a handler of the plugin. A panic goes on, to be answered and logged by
// the server, and is counted.
func run[Req, Res any](ctx context.Context, u *unit, what string, req Req, h func(context.Context, Req) (Res, error)) (res Res, err error) {
	c := u.begin(ctx)
	returned := false
	defer func() {
		if u.end(c) && err != nil {
			err = errWithdrawn
		}
		if !returned {
			u.m.stats.panics.Add(1)
			u.fault("panic in " + what)
		}
	}()
	res, err = h(c, req)
	returned = true
	return res, err
}

// bounded is when, for a server that asks it in the middle of a list: it hides
// the thing if it panics or hangs. While one hangs, none of the plugin is asked, so
// that a list waits once.
func (u *unit) bounded(when func(Client) bool) func(Client) bool {
	return func(client Client) bool {
		if u.hidden.Load() > 0 {
			return false
		}
		answer := make(chan bool, 1)
		var left atomic.Bool // by one of the two: the other knows that it is late
		go func() {
			returned, shown := false, false
			defer func() {
				if !returned {
					_ = recover() // whatever it is: it is hidden and counted
					u.m.stats.panics.Add(1)
					u.fault("panic in When")
				}
				if !left.CompareAndSwap(false, true) {
					u.hidden.Add(-1)
				}
				answer <- shown
			}()
			shown = when(client)
			returned = true
		}()
		late := time.NewTimer(u.m.opts.CheckTimeout)
		defer late.Stop()
		select {
		case shown := <-answer:
			return shown
		case <-late.C:
		}
		first := u.hidden.Add(1) == 1
		if !left.CompareAndSwap(false, true) {
			u.hidden.Add(-1)
			return <-answer
		}
		if first { // of many who ask at the same time
			u.m.stats.hangs.Add(1)
			u.fault("When hangs")
		}
		return false
	}
}
