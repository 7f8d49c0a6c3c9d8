package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin"
)

// A table is the smallest host there can be.
type table struct {
	mu       sync.Mutex
	features map[string]*plugin.Feature
	swaps    int
	refuse   error // of Swap
}

func (h *table) Vet(remove, add []*plugin.Feature) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.next(remove, add)
	return err
}

func (h *table) Swap(remove, add []*plugin.Feature) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	next, err := h.next(remove, add)
	if err = errors.Join(err, h.refuse); err != nil {
		return err
	}
	h.features = next
	h.swaps++
	return nil
}

func (h *table) next(remove, add []*plugin.Feature) (map[string]*plugin.Feature, error) {
	next := map[string]*plugin.Feature{}
	maps.Copy(next, h.features)
	for _, f := range remove {
		delete(next, f.Name())
	}
	for _, f := range add {
		if next[f.Name()] != nil {
			return nil, fmt.Errorf("%s is there already", f.Name())
		}
		next[f.Name()] = f
	}
	return next, nil
}

func (h *table) names() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(h.features)), " ")
}

var errAbsent = mcperrors.Errorf(mcperrors.NotFound, "no such tool")

// call calls a tool as a server does. A panic is an error.
func (h *table) call(ctx context.Context, name string) (text string, err error) {
	for {
		h.mu.Lock()
		f := h.features[name]
		h.mu.Unlock()
		if f == nil || ctx.Err() != nil {
			return "", errors.Join(errAbsent, ctx.Err())
		}
		if !f.Owner.Enter(ctx) {
			continue
		}
		defer f.Owner.Leave()
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		res, err := f.CallTool(ctx, &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: name}})
		if err != nil {
			return "", err
		}
		return res.Content[0].(*mcp.TextContent).Text, nil
	}
}

// A part is a plugin that can do as much as a test needs.
type part struct {
	name, version      string
	register           func(*plugin.Registrar) error
	start, stop, check func(context.Context) error
	requires           []plugin.Requirement
}

func (p *part) Name() string    { return p.name }
func (p *part) Version() string { return p.version }

func (p *part) Register(r *plugin.Registrar) error {
	if p.register == nil {
		return nil
	}
	return p.register(r)
}

func (p *part) Requires() []plugin.Requirement { return p.requires }

func orNil(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (p *part) Start(ctx context.Context) error { return orNil(ctx, p.start) }
func (p *part) Stop(ctx context.Context) error  { return orNil(ctx, p.stop) }
func (p *part) Check(ctx context.Context) error { return orNil(ctx, p.check) }

// tools registers tools that answer with text.
func tools(text string, names ...string) func(*plugin.Registrar) error {
	return func(r *plugin.Registrar) error {
		for _, name := range names {
			if err := add(r, name, func(context.Context) (string, error) { return text, nil }); err != nil {
				return err
			}
		}
		return nil
	}
}

func add(r *plugin.Registrar, name string, f func(context.Context) (string, error)) error {
	return r.AddRawTool(&mcp.Tool{Name: name, InputSchema: map[string]any{"type": "object"}},
		func(ctx context.Context, _ *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			text, err := f(ctx)
			if err != nil {
				return nil, err
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil
		})
}

// newManager returns a manager, closed with the test, and its host.
func newManager(t *testing.T, opts plugin.Options) (*plugin.Manager, *table) {
	t.Helper()
	h := &table{}
	m, err := plugin.NewManager(h, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return m, h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails fails the test unless err has the code and says what it should.
func fails(t *testing.T, err error, code mcperrors.Code, says ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if mcperrors.CodeOf(err) != code {
		t.Errorf("code %s, want %s: %v", mcperrors.CodeOf(err), code, err)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in: %v", text, err)
		}
	}
}

func stateOf(m *plugin.Manager, name string) plugin.State {
	s, _ := m.Status(name)
	return s.State
}
