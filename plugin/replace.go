package plugin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// Replace puts p in the place of the plugin of its name, of whatever version. It
// is checked and started like one that is registered, while the old one goes on;
// then the next call finds the new one, and clients are told once for each kind.
// The old one is stopped as by [Manager.Unregister]. See [Migrator] for state that
// the new one takes over. Plugins that require it must do with its version.
//
// A plugin that was disabled stays so. One that has tripped is started, and so are
// those that wait for it. One that waits is started if it need not wait any more.
func (m *Manager) Replace(ctx context.Context, p Plugin) error {
	began := time.Now()
	next, err := m.prepare(ctx, p)
	var old *unit
	var stopped error
	if err == nil {
		old, stopped, err = m.replace(ctx, next)
	}
	e := Event{Change: ChangeReplace, Plugin: next.name, Version: next.version, Err: errors.Join(err, stopped), Failed: err != nil, Time: began}
	if old != nil {
		e.From = old.version
	}
	m.tell(ctx, e)
	return err
}

func (m *Manager) replace(ctx context.Context, next *unit) (old *unit, stopped, err error) {
	var tree []*unit
	release, err := m.claim(ctx, func() (exclusive, shared []string, err error) {
		if old = m.units[next.name]; old == nil {
			return nil, nil, unknown(next.name)
		}
		tree = append(m.dependents(next.name), next)
		return namesOf(tree), m.required([]*unit{next}), m.fitInstead(next, old)
	}, false)
	if err != nil {
		return old, nil, err
	}
	defer release()
	m.mu.Lock()
	err = m.checkPin([]*unit{next}, nil)
	running := old.serves()
	waits := old.state == Waiting && next.satisfied(m.units, true) != nil
	start := !next.setup.Disabled && old.state != Disabled && !waits
	m.mu.Unlock()
	var theirs []*Feature
	if running {
		theirs = old.features
	}
	if err == nil {
		err = m.vet(theirs, next.features)
	}
	if err == nil {
		err = m.migrate(ctx, next, old, running)
	}
	if err == nil && start {
		err = m.start(ctx, next)
	}
	if err == nil {
		err = m.commit(func() error {
			if err := m.checkPin([]*unit{next}, nil); err != nil {
				return err
			}
			return m.exchange(next, old, start, running)
		}, func() {
			m.units[next.name] = next
			old.circuit.forget()
		})
		if err != nil && start {
			err = errors.Join(err, m.stopUnit(ctx, next))
		}
	}
	if err != nil {
		if running {
			old.set(gateOpen) // if it was held
		}
		return old, nil, err
	}
	old.set(gateShut)
	if running {
		patience, cancel := m.patience(ctx)
		defer cancel()
		m.drain(patience, old)
		stopped = m.stopUnit(ctx, old)
	}
	if start {
		m.wake(ctx, tree)
	}
	return old, stopped, nil
}

// exchange gives the host the features of next instead of those of old, as far as
// they run. The lock is held.
func (m *Manager) exchange(next, old *unit, start, running bool) error {
	var shown, gone []*unit
	if start {
		shown = []*unit{next}
	}
	if running {
		gone = []*unit{old}
	}
	if start || running {
		if err := m.show(shown, gone); err != nil {
			return err
		}
	}
	if !start {
		state, reason := old.state, old.reason
		if state != Disabled && (state != Waiting || next.setup.Disabled) {
			state, reason = Disabled, "replaced so"
		}
		next.turn(state, reason)
	}
	return nil
}

// migrate lets next take over the state of old, whose calls end before and whose
// next calls wait.
func (m *Manager) migrate(ctx context.Context, next, old *unit, running bool) error {
	p, ok := next.plugin.(Migrator)
	if !ok {
		return nil
	}
	if running {
		old.set(gateHeld)
		patience, cancel := m.patience(ctx)
		defer cancel()
		m.drain(patience, old)
	}
	return next.err(m.hook(ctx, "Migrate", m.opts.HookTimeout, func(ctx context.Context) error {
		return p.Migrate(ctx, old.plugin, old.version)
	}))
}

// fitInstead checks requirements for next in the place of old, also those of the
// plugins that require it. The lock is held.
func (m *Manager) fitInstead(next, old *unit) error {
	among := maps.Clone(m.units)
	among[next.name] = next
	stays := !next.setup.Disabled && old.state != Disabled
	errs := []error{next.satisfied(among, stays && old.state != Waiting)}
	for _, u := range m.dependents(next.name) {
		for i := range u.requires {
			if r := &u.requires[i]; r.Name == next.name {
				errs = append(errs, r.check(u, next))
			}
		}
		if !stays && u.state != Disabled {
			errs = append(errs, needed(next.name, []*unit{u}))
		}
	}
	if err := joined(errs); err != nil {
		return err
	}
	_, err := inOrder(slices.Collect(maps.Values(among)), among)
	return err
}
