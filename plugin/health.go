package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Check returns nil if every plugin is well, else all that is not: what their
// [Checker] says, that one hangs, panicked, has tripped or waits for another. Those
// that an operator disabled are well. All are asked at the same time.
func (m *Manager) Check(ctx context.Context) error {
	m.mu.Lock()
	var errs []error
	var asked []*unit
	for _, u := range slices.SortedFunc(maps.Values(m.units), byName) {
		switch u.state {
		case Enabled:
			asked = append(asked, u)
		case Tripped, Waiting:
			errs = append(errs, fmt.Errorf("plugin %q: %s: %s", u.name, u.state, u.reason))
		case Disabled:
		}
	}
	m.mu.Unlock()
	answers := make([]error, len(asked))
	var wg sync.WaitGroup
	for i, u := range asked {
		if p, ok := u.plugin.(Checker); ok {
			wg.Go(func() { answers[i] = m.check(ctx, u, p) })
		}
	}
	wg.Wait()
	return errors.Join(append(errs, answers...)...)
}

var errStillChecking = errors.New("Check hangs: it has not returned from the last time")

// check asks one plugin, unless it is still at the last answer.
func (m *Manager) check(ctx context.Context, u *unit, p Checker) error {
	if !u.checking.CompareAndSwap(false, true) {
		return u.err(errStillChecking)
	}
	err := m.hook(ctx, "Check", m.opts.CheckTimeout, func(ctx context.Context) error {
		defer u.checking.Store(false)
		return p.Check(ctx)
	})
	if isFault(err) {
		u.fault(err.Error())
	}
	if err != nil {
		return fmt.Errorf("plugin %q: %w", u.name, err)
	}
	return nil
}
