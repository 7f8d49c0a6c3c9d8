package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
	again := s.notices.hold(add, remove)
	for _, e := range add {
		addTo(s.mcp, e, s)
		if e.canonical != "" {
			s.aliases.Store(true)
		}
	}
	s.names.now.Store(next)
	gone := map[plugin.Kind][]string{}
	for _, e := range remove {
		if next.of(e.Kind)[e.name] == nil && now.of(e.Kind)[e.name] != nil && e.canonical == "" {
			gone[e.Kind] = append(gone[e.Kind], e.name)
		}
	}
	for k, names := range gone {
		s.uninstall(k, names...)
	}
	for _, e := range again(add) {
		addTo(s.mcp, e, s)
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

// notices sees to it that clients hear once of many changes at once. The SDK
// waits for 10 ms of silence before it tells them, and a machine that is busy
// takes longer than that between two changes.
type notices struct {
	mu     sync.Mutex
	held   map[string]bool
	missed map[string]bool
}

var listChanged = map[plugin.Kind]string{
	plugin.KindTool:     "notifications/tools/list_changed",
	plugin.KindPrompt:   "notifications/prompts/list_changed",
	plugin.KindResource: "notifications/resources/list_changed",
	plugin.KindTemplate: "notifications/resources/list_changed",
}

// hold drops notifications until the function that it returns is called, which
// returns what has to be added to the SDK once more for clients to be told.
func (n *notices) hold(add, remove []*entry) (release func(added []*entry) []*entry) {
	added, removed := map[string]int{}, map[string]int{}
	for _, e := range add {
		added[listChanged[e.Kind]]++
	}
	for _, e := range remove {
		removed[listChanged[e.Kind]] = 1
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held, n.missed = map[string]bool{}, map[string]bool{}
	for method, count := range added {
		n.held[method] = count+removed[method] > 1
	}
	return n.release
}

func (n *notices) release(added []*entry) (again []*entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range added {
		if method := listChanged[e.Kind]; n.missed[method] && e.canonical == "" {
			delete(n.missed, method)
			again = append(again, e)
		}
	}
	n.held = nil
	return again
}

// middleware stands before what the SDK sends.
func (n *notices) middleware(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if n.drops(method) {
			return nil, nil
		}
		return next(ctx, method, req)
	}
}

func (n *notices) drops(method string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[method] {
		n.missed[method] = true
		return true
	}
	return false
}
