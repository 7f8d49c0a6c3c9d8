package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/yosida95/uritemplate/v3"
)

// kind is what a name in the registry stands for.
type kind string

const (
	kindTool     kind = "tool"
	kindPrompt   kind = "prompt"
	kindResource kind = "resource"
	kindTemplate kind = "resource template"
)

// entry is what the server remembers of something registered.
type entry struct {
	timeout    time.Duration         // tools; 0: the server's
	gate       *gate                 // who may use it
	canonical  string                // tools: what this one is an alias of, or ""
	template   *uritemplate.Template // resource templates
	arguments  []string              // prompts and templates, in order
	completers map[string]Completer  // prompts and templates, by argument
}

// registry knows every name, because the SDK would replace one silently, and
// collects the mistakes made before the server is used.
type registry struct {
	mu       sync.RWMutex
	entries  map[kind]map[string]*entry
	mistakes []error
	serving  bool
}

// add registers name, unless err or a duplicate forbids it, and calls install
// to tell the SDK. The error it returns is also kept for [registry.serve].
func (r *registry) add(k kind, name string, e *entry, err error, install func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && r.entries[k][name] != nil {
		err = errors.New("registered twice; remove the first to replace it")
	}
	if err == nil {
		err = guard(install)
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", k, name, err)
		if !r.serving {
			r.mistakes = append(r.mistakes, err)
		}
		return err
	}
	if r.entries == nil {
		r.entries = make(map[kind]map[string]*entry)
	}
	if r.entries[k] == nil {
		r.entries[k] = make(map[string]*entry)
	}
	r.entries[k][name] = e
	return nil
}

// guard turns a panic of the SDK, which has checks of its own, into an error.
func guard(install func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	install()
	return nil
}

func (r *registry) get(k kind, name string) (*entry, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.entries[k][name]
	return e, ok
}

func (r *registry) remove(k kind, names []string, uninstall func(...string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range names {
		delete(r.entries[k], n)
	}
	uninstall(names...)
}

// readable returns what answers to uri, a resource or a template, or nil: the
// one that go-sdk would read, which is the first of the templates in their order.
func (r *registry) readable(uri string) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.entries[kindResource][uri]; e != nil {
		return e
	}
	var first string
	for name, e := range r.entries[kindTemplate] {
		if (first == "" || name < first) && e.template.Match(uri) != nil {
			first = name
		}
	}
	return r.entries[kindTemplate][first]
}

// setCompleter attaches h to an argument of a prompt or resource template.
func (r *registry) setCompleter(k kind, name, argument string, h Completer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := func() error {
		e := r.entries[k][name]
		switch {
		case e == nil:
			return errors.New("not registered; register it before its completions")
		case h == nil:
			return errors.New("nil completer")
		case !slices.Contains(e.arguments, argument):
			return fmt.Errorf("no argument %q to complete; it has %q", argument, e.arguments)
		case e.completers[argument] != nil:
			return fmt.Errorf("completion of %q registered twice", argument)
		}
		// Copied, not changed: calls read it without the lock.
		next := map[string]Completer{argument: h}
		maps.Copy(next, e.completers)
		changed := *e
		changed.completers = next
		r.entries[k][name] = &changed
		return nil
	}()
	if err != nil {
		err = fmt.Errorf("%s %q: %w", k, name, err)
		if !r.serving {
			r.mistakes = append(r.mistakes, err)
		}
	}
	return err
}

// serve ends the time in which mistakes are collected and returns them.
func (r *registry) serve() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serving = true
	return errors.Join(r.mistakes...)
}
