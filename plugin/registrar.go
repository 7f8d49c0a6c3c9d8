package plugin

import (
	"errors"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Registrar collects what a plugin has. server.AddTool, AddResource,
// AddResourceTemplate, AddPrompt and AddSDKTool take it in place of a server:
//
//	func (p *Notes) Register(r *plugin.Registrar) error {
//		return server.AddTool(r, server.Tool{Name: "search", Description: "Search notes."}, p.search)
//	}
//
// The error of each says what is wrong with that one; all mistakes together are
// the error of [Manager.Register], also those that Register ignored. It is good
// until Register returns, and safe for concurrent use.
type Registrar struct {
	mu       sync.Mutex
	features []*Feature
	mistakes []error
	closed   bool
}

// AddFeature adds one. It is what all others come down to.
func (r *Registrar) AddFeature(f Feature) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := f.Err
	if err == nil && r.closed {
		err = errors.New("the plugin's Register has returned; use Manager.Replace to change what it has")
	}
	if err == nil && r.find(f.Kind, f.Name()) != nil {
		err = errors.New("registered twice")
	}
	if err != nil {
		return r.mistake(f.Kind, f.Name(), err)
	}
	r.features = append(r.features, &f)
	return nil
}

// AddRawTool adds what [RawTool] makes.
func (r *Registrar) AddRawTool(t *mcp.Tool, h mcp.ToolHandler, access ...Access) error {
	return r.AddFeature(RawTool(t, h, access...))
}

// AddRawPrompt adds what [RawPrompt] makes.
func (r *Registrar) AddRawPrompt(p *mcp.Prompt, h mcp.PromptHandler, access ...Access) error {
	return r.AddFeature(RawPrompt(p, h, access...))
}

// AddRawResource adds what [RawResource] makes.
func (r *Registrar) AddRawResource(res *mcp.Resource, h mcp.ResourceHandler, access ...Access) error {
	return r.AddFeature(RawResource(res, h, access...))
}

// AddRawResourceTemplate adds what [RawResourceTemplate] makes.
func (r *Registrar) AddRawResourceTemplate(t *mcp.ResourceTemplate, h mcp.ResourceHandler, access ...Access) error {
	return r.AddFeature(RawResourceTemplate(t, h, access...))
}

// CompletePrompt adds suggestions for an argument of a prompt that was added.
func (r *Registrar) CompletePrompt(prompt, argument string, h Completer) error {
	return r.complete(KindPrompt, prompt, argument, h)
}

// CompleteResourceTemplate adds suggestions for a variable of a template that
// was added.
func (r *Registrar) CompleteResourceTemplate(uriTemplate, variable string, h Completer) error {
	return r.complete(KindTemplate, uriTemplate, variable, h)
}

func (r *Registrar) complete(k Kind, name, argument string, h Completer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.find(k, name)
	switch {
	case f == nil:
		return r.mistake(k, name, errors.New("not registered; register it before its completions"))
	case h == nil:
		return r.mistake(k, name, errors.New("nil completer"))
	case f.Completers[argument] != nil:
		return r.mistake(k, name, fmt.Errorf("completion of %q registered twice", argument))
	}
	if f.Completers == nil {
		f.Completers = map[string]Completer{}
	}
	f.Completers[argument] = h
	return nil
}

func (r *Registrar) find(k Kind, name string) *Feature {
	for _, f := range r.features {
		if f.Kind == k && f.Name() == name {
			return f
		}
	}
	return nil
}

func (r *Registrar) mistake(k Kind, name string, err error) error {
	err = fmt.Errorf("%s %q: %w", k, name, err)
	r.mistakes = append(r.mistakes, err)
	return err
}

// close returns what was collected. Nothing is added any more.
func (r *Registrar) close() ([]*Feature, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.features, errors.Join(r.mistakes...)
}
