package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Host has the features of plugins beside its own: a server. The manager calls
// it for one change after the other.
type Host interface {
	// Vet returns all that is wrong with the features: what the host would never
	// take, and what collides with others while those in remove are gone.
	Vet(remove, add []*Feature) error
	// Swap takes features away and adds others that Vet has passed, all at once: a
	// call sees either all of it or nothing. After an error, which is a collision
	// with what came since, nothing has changed.
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
//
// Errors have a code of package errors: validation for a plugin that cannot be
// used, with all that is wrong with it; conflict for one that does not fit what
// there is; not_found for a name that is not registered; unavailable after Close.
// An error without one is the plugin's own. After an error nothing has changed.
type Manager struct {
	host  Host
	opts  Options
	stats counters

	background context.Context //nolint:containedctx // of what nobody asked for, such as retries
	stop       context.CancelFunc
	tasks      sync.WaitGroup

	mu     sync.Mutex
	units  map[string]*unit
	claims claims
	closed bool
}

// NewManager returns a manager for host, without plugins. A server makes its own:
// see server.Server.Plugins. The error holds all mistakes in the options. Close
// it.
func NewManager(host Host, opts Options) (*Manager, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Manager{host: host, opts: opts, units: map[string]*unit{}}
	m.background, m.stop = context.WithCancel(context.Background())
	return m, nil
}

// Close removes all plugins, those that require others first, as Unregister does,
// and refuses changes from then on. Calls are canceled when ctx ends. It returns
// the error of ctx if a plugin did not stop before that; that one is stopped
// nevertheless.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop()
	done := make(chan error, 1)
	go func() { done <- m.close(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Manager) close(ctx context.Context) error {
	release, err := m.claim(context.WithoutCancel(ctx), func() (exclusive, shared []string, _ error) {
		return slices.Collect(maps.Keys(m.units)), nil, nil
	}, true)
	if err != nil {
		return err
	}
	defer release()
	m.mu.Lock()
	all := slices.SortedFunc(maps.Values(m.units), byName)
	m.mu.Unlock()
	err = m.remove(ctx, all)
	m.tasks.Wait()
	return err
}

// Hash is the SHA-256 of the set of plugins, as "sha256:…": of their names,
// versions and prefixes, and of all that clients see of their tools, resources and
// prompts. Whether they are enabled does not matter. See [Options.Pin].
func (m *Manager) Hash() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return hashOf(m.units)
}

// checkPin refuses a set that is not the pinned one. The lock is held.
func (m *Manager) checkPin(add, remove []*unit) error {
	if m.opts.Pin == "" || m.closed {
		return nil
	}
	next := maps.Clone(m.units)
	for _, u := range remove {
		delete(next, u.name)
	}
	for _, u := range add {
		next[u.name] = u
	}
	if h := hashOf(next); h != m.opts.Pin {
		return conflict("the set of plugins would have hash %s, and %s is pinned", h, m.opts.Pin)
	}
	return nil
}

func byName(a, b *unit) int { return strings.Compare(a.name, b.name) }

func namesOf(units []*unit) []string {
	var names []string
	for _, u := range units {
		names = append(names, u.name)
	}
	return names
}

func featuresOf(units []*unit) []*Feature {
	var all []*Feature
	for _, u := range units {
		all = append(all, u.features...)
	}
	return all
}

// withDefaults returns a copy with every zero value replaced, and all mistakes.
func (o Options) withDefaults() (Options, error) {
	var mistakes []error
	duration := func(name string, d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
		if *d < 0 {
			mistakes = append(mistakes, fmt.Errorf("plugin option %s: %v is negative", name, *d))
		}
	}
	duration("HookTimeout", &o.HookTimeout, DefaultHookTimeout)
	duration("CheckTimeout", &o.CheckTimeout, DefaultCheckTimeout)
	duration("PanicWindow", &o.PanicWindow, DefaultPanicWindow)
	duration("MinBackoff", &o.MinBackoff, DefaultMinBackoff)
	duration("MaxBackoff", &o.MaxBackoff, max(DefaultMaxBackoff, o.MinBackoff))
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	if o.MaxPanics == 0 {
		o.MaxPanics = DefaultMaxPanics
	}
	if o.MaxBackoff < o.MinBackoff {
		mistakes = append(mistakes, fmt.Errorf("plugin option MaxBackoff: %v is less than MinBackoff, %v", o.MaxBackoff, o.MinBackoff))
	}
	return o, errors.Join(mistakes...)
}
