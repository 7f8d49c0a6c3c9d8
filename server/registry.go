package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/yosida95/uritemplate/v3"

	"github.com/trestle-mcp/trestle/plugin"
)

// entry is what the server knows of something registered. It is not changed.
type entry struct {
	plugin.Feature

	name      string
	gate      *gate                 // who may use it
	canonical string                // tools: what this one is an alias of, or ""
	template  *uritemplate.Template // resource templates
	arguments []string              // prompts and templates, in order
	mimeType  string                // resources and templates
}

// names are all entries at one moment. They are not changed.
type names struct {
	tools, prompts, resources, templates map[string]*entry
}

func (n *names) of(k plugin.Kind) map[string]*entry { return *n.kind(k) }

func (n *names) kind(k plugin.Kind) *map[string]*entry {
	switch k {
	case plugin.KindTool:
		return &n.tools
	case plugin.KindPrompt:
		return &n.prompts
	case plugin.KindResource:
		return &n.resources
	case plugin.KindTemplate:
		return &n.templates
	}
	return new(map[string]*entry)
}

// with returns n and more entries, or what they collide with.
func (n *names) with(add []*entry) (*names, error) {
	next, own := *n, map[plugin.Kind]bool{}
	var errs []error
	for _, e := range add {
		m := next.kind(e.Kind)
		if there := (*m)[e.name]; there != nil {
			errs = append(errs, fmt.Errorf("%s %q: registered twice; remove the first to replace it", e.Kind, e.name))
			continue
		}
		if !own[e.Kind] {
			own[e.Kind] = true
			*m = cloned(*m)
		}
		(*m)[e.name] = e
	}
	return &next, errors.Join(errs...)
}

// without returns n without some entries, by their names.
func (n *names) without(remove []*entry) *names {
	next, own := *n, map[plugin.Kind]bool{}
	for _, e := range remove {
		m := next.kind(e.Kind)
		if !own[e.Kind] {
			own[e.Kind] = true
			*m = cloned(*m)
		}
		delete(*m, e.name)
	}
	return &next
}

func cloned(m map[string]*entry) map[string]*entry {
	if m == nil {
		return map[string]*entry{}
	}
	return maps.Clone(m)
}

// these returns the entries of features, as far as they are there, and those of
// their aliases.
func (n *names) these(features []*plugin.Feature) []*entry {
	var all []*entry
	for _, f := range features {
		if e := n.of(f.Kind)[f.Name()]; e != nil && e.Owner == f.Owner {
			all = append(append(all, e), n.aliasesOf(e)...)
		}
	}
	return all
}

func (n *names) aliasesOf(e *entry) []*entry {
	var aliases []*entry
	for _, name := range e.Aliases {
		if alias := n.tools[name]; alias != nil && alias.canonical == e.name {
			aliases = append(aliases, alias)
		}
	}
	return aliases
}

// readable returns what answers to uri, a resource or a template, or nil: the
// one that go-sdk would read, which is the first of the templates in their order.
func (n *names) readable(uri string) *entry {
	if e := n.resources[uri]; e != nil {
		return e
	}
	var first string
	for name, e := range n.templates {
		if (first == "" || name < first) && e.template.Match(uri) != nil {
			first = name
		}
	}
	return n.templates[first]
}

// registry knows every name, because the SDK would replace one silently, and
// collects the mistakes made before the server is used.
type registry struct {
	// now is what calls find. The SDK's own sets are for lists only, and for
	// whether there is a name at all.
	now atomic.Pointer[names]
	// lists is held for writing while the SDK's sets are between two states, and
	// for reading by those who list.
	lists sync.RWMutex

	mu       sync.Mutex // held by those who change what there is
	mistakes []error
	serving  bool
}

func (r *registry) get(k plugin.Kind, name string) (*entry, bool) {
	e, ok := r.now.Load().of(k)[name]
	return e, ok
}

func named(k plugin.Kind, name string, err error) error { return fmt.Errorf("%s %q: %w", k, name, err) }

// noted runs a registration and keeps its error for [registry.serve].
func (r *registry) noted(k plugin.Kind, name string, register func() error) error {
	err := register()
	if err == nil {
		return nil
	}
	err = named(k, name, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.serving {
		r.mistakes = append(r.mistakes, err)
	}
	return err
}

// setCompleter attaches h to an argument of a prompt or resource template.
func (r *registry) setCompleter(k plugin.Kind, name, argument string, h Completer) error {
	return r.noted(k, name, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		now := r.now.Load()
		e := now.of(k)[name]
		switch {
		case e == nil:
			return errors.New("not registered; register it before its completions")
		case e.Owner != nil:
			return errors.New("it belongs to a plugin")
		case h == nil:
			return errors.New("nil completer")
		case e.Completers[argument] != nil:
			return fmt.Errorf("completion of %q registered twice", argument)
		}
		if err := e.checkArgument(argument); err != nil {
			return err
		}
		changed := *e
		changed.Completers = map[string]Completer{argument: h}
		maps.Copy(changed.Completers, e.Completers)
		next, err := now.without([]*entry{e}).with([]*entry{&changed})
		if err == nil {
			r.now.Store(next)
		}
		return err
	})
}

func (e *entry) checkArgument(argument string) error {
	if !slices.Contains(e.arguments, argument) {
		return fmt.Errorf("no argument %q to complete; it has %q", argument, e.arguments)
	}
	return nil
}

// serve ends the time in which mistakes are collected and returns them.
func (r *registry) serve() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serving = true
	return errors.Join(r.mistakes...)
}
