package server

import (
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/plugin"
)

// trial adds entries to a server that nobody uses: the SDK has checks of its own,
// and panics where they fail.
func (s *Server) trial(add []*entry) error {
	scratch := mcp.NewServer(&mcp.Implementation{Name: s.name, Version: "0"}, nil)
	var errs []error
	for _, e := range add {
		if err := guard(func() { addTo(scratch, e, nil) }); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// guard turns a panic of the SDK into an error.
func guard(install func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	install()
	return nil
}

// swap takes entries away and adds others that have passed a trial, all of it or,
// after a collision, nothing.
func (s *Server) swap(remove, add []*entry) error {
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	now := s.names.now.Load()
	next, err := now.without(remove).with(add)
	if err != nil {
		return err
	}
	s.install(now, next, add, remove)
	return nil
}

// install makes next what there is, and tells the SDK of the difference. Calls
// see it at the moment when next is stored: until then the SDK has the names of
// both, so that it hands us calls of either.
func (s *Server) install(now, next *names, add, remove []*entry) {
	s.names.lists.Lock()
	defer s.names.lists.Unlock()
	gone := map[plugin.Kind][]string{}
	for _, e := range remove {
		if next.of(e.Kind)[e.name] == nil && now.of(e.Kind)[e.name] != nil && e.canonical == "" {
			gone[e.Kind] = append(gone[e.Kind], e.name)
		}
	}
	many := manyChanges(add, gone)
	s.notices.hold(many)
	for _, m := range many {
		addTo(s.mcp, m, s)
	}
	for _, e := range add {
		addTo(s.mcp, e, s)
		if e.canonical != "" {
			s.aliases.Store(true)
		}
	}
	s.names.now.Store(next)
	if names := gone[plugin.KindTemplate]; len(names) > 0 {
		s.uninstall(plugin.KindTemplate, names...)
	}
	for _, k := range []plugin.Kind{plugin.KindTool, plugin.KindPrompt, plugin.KindResource} {
		if m := many[k]; m != nil {
			gone[k] = append(gone[k], m.name)
			s.notices.last(listChanged[k])
		}
		if names := gone[k]; len(names) > 0 {
			s.uninstall(k, names...)
		}
	}
	for k, m := range many {
		if s.notices.release(listChanged[k]) { // the mark comes and goes once more
			addTo(s.mcp, m, s)
			s.uninstall(k, m.name)
		}
	}
}

// addTo adds e to a server of the SDK's, which calls s.
func addTo(to *mcp.Server, e *entry, s *Server) {
	switch {
	case e.canonical != "": // the SDK knows nothing of aliases
	case e.Tool != nil:
		to.AddTool(e.Tool, s.callTool)
	case e.Prompt != nil:
		to.AddPrompt(e.Prompt, s.getPrompt)
	case e.Resource != nil:
		to.AddResource(e.Resource, s.reader(plugin.KindResource, e.name))
	case e.Template != nil:
		to.AddResourceTemplate(e.Template, s.reader(plugin.KindTemplate, e.name))
	}
}

func (s *Server) uninstall(k plugin.Kind, names ...string) {
	switch k {
	case plugin.KindTool:
		s.mcp.RemoveTools(names...)
	case plugin.KindPrompt:
		s.mcp.RemovePrompts(names...)
	case plugin.KindResource:
		s.mcp.RemoveResources(names...)
	case plugin.KindTemplate:
		s.mcp.RemoveResourceTemplates(names...)
	}
}
