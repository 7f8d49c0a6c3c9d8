package plugin

import (
	"context"
	"errors"
)

// A Host has the features of plugins beside its own: a server.
type Host interface {
	// Vet returns all that is wrong with the features: what the host would never
	// take, and what collides with others while those in remove are gone.
	Vet(remove, add []*Feature) error
	// Swap vets again and takes the features away and adds others, all at once: a
	// call sees either all of it or nothing. After an error nothing has changed.
	Swap(remove, add []*Feature) error
}

// A RemoveOption says how a plugin is removed or disabled.
type RemoveOption int

// Cascade takes along the plugins that require the one that goes. Without it,
// there must be none.
const Cascade RemoveOption = 1

// A Manager runs the plugins of one server. All methods are safe for concurrent
// use. Changes of plugins that have nothing to do with each other do not wait for
// each other.
type Manager struct{}

// NewManager returns a manager for host, without plugins. A server makes its own.
func NewManager(host Host, opts Options) (*Manager, error) { return nil, errors.ErrUnsupported }

// Register adds plugins, all or none.
func (m *Manager) Register(ctx context.Context, plugins ...Plugin) error { return nil }

// Unregister removes a plugin.
func (m *Manager) Unregister(ctx context.Context, name string, how ...RemoveOption) error { return nil }

// Replace puts p in the place of the plugin of its name.
func (m *Manager) Replace(ctx context.Context, p Plugin) error { return nil }

// Enable starts a plugin that is disabled.
func (m *Manager) Enable(ctx context.Context, name string) error { return nil }

// Disable stops a plugin without forgetting it.
func (m *Manager) Disable(ctx context.Context, name, reason string, how ...RemoveOption) error {
	return nil
}

// List returns all plugins, in the order of their names.
func (m *Manager) List() []Status { return nil }

// Status returns one plugin.
func (m *Manager) Status(name string) (Status, bool) { return Status{}, false }

// Stats returns the counters.
func (m *Manager) Stats() Stats { return Stats{} }

// Hash is the SHA-256 of the set of plugins.
func (m *Manager) Hash() string { return "" }

// Check asks the plugins whether they are well.
func (m *Manager) Check(ctx context.Context) error { return nil }

// Close removes all plugins.
func (m *Manager) Close(ctx context.Context) error { return nil }
