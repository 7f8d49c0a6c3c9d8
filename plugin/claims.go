package plugin

import (
	"context"
	"slices"
)

// claims are the names of plugins that changes are about to touch, so that
// changes of others need not wait: a plugin that hangs holds up only those that
// have to do with it.
type claims struct {
	exclusive map[string]bool
	shared    map[string]int
	released  chan struct{} // closed when something is given back
}

// claim waits until the names that want returns are free, and takes them. want is
// called with the lock held, each time anew. Of a shared name nothing is changed,
// and nothing must.
func (m *Manager) claim(ctx context.Context, want func() (exclusive, shared []string, _ error), closing bool) (release func(), _ error) {
	for {
		m.mu.Lock()
		if m.closed && !closing {
			m.mu.Unlock()
			return nil, errClosed
		}
		exclusive, shared, err := want()
		if err != nil {
			m.mu.Unlock()
			return nil, err
		}
		if m.claims.free(exclusive, shared) && (!closing || m.claims.none()) {
			m.claims.take(exclusive, shared)
			m.mu.Unlock()
			return func() { m.release(exclusive, shared) }, nil
		}
		if m.claims.released == nil {
			m.claims.released = make(chan struct{})
		}
		released := m.claims.released
		m.mu.Unlock()
		select {
		case <-released:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *claims) none() bool { return len(c.exclusive)+len(c.shared) == 0 }

func (c *claims) free(exclusive, shared []string) bool {
	return !slices.ContainsFunc(exclusive, func(name string) bool { return c.exclusive[name] || c.shared[name] > 0 }) &&
		!slices.ContainsFunc(shared, func(name string) bool { return c.exclusive[name] })
}

func (c *claims) take(exclusive, shared []string) {
	if c.exclusive == nil {
		c.exclusive, c.shared = map[string]bool{}, map[string]int{}
	}
	for _, name := range exclusive {
		c.exclusive[name] = true
	}
	for _, name := range shared {
		c.shared[name]++
	}
}

func (m *Manager) release(exclusive, shared []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range exclusive {
		delete(m.claims.exclusive, name)
	}
	for _, name := range shared {
		if m.claims.shared[name]--; m.claims.shared[name] == 0 {
			delete(m.claims.shared, name)
		}
	}
	if m.claims.released != nil {
		close(m.claims.released)
		m.claims.released = nil
	}
}
