package server

import (
	"errors"

	"github.com/trestle-mcp/trestle/plugin"
)

// Plugins returns the manager of the server's plugins, to add, replace and remove
// them while it runs.
func (s *Server) Plugins() *plugin.Manager { return s.plugins }

// A pluginHost is the server as plugins see it.
type pluginHost struct{ *Server }

// Vet implements [plugin.Host].
func (h pluginHost) Vet(remove, add []*plugin.Feature) error {
	entries, err := h.all(add)
	if err != nil {
		return err
	}
	if err := h.trial(entries); err != nil {
		return err
	}
	now := h.names.now.Load()
	_, err = now.without(now.these(remove)).with(entries)
	return err
}

// Swap implements [plugin.Host].
func (h pluginHost) Swap(remove, add []*plugin.Feature) error {
	entries, err := h.all(add)
	if err != nil {
		return err
	}
	return h.swap(h.names.now.Load().these(remove), entries)
}

func (h pluginHost) all(features []*plugin.Feature) ([]*entry, error) {
	var all []*entry
	var errs []error
	for _, f := range features {
		entries, err := h.entries(f)
		if err != nil {
			errs = append(errs, named(f.Kind, f.Name(), err))
		}
		all = append(all, entries...)
	}
	return all, errors.Join(errs...)
}
