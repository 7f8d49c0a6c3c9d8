package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Unregister removes a plugin: the next call finds nothing. Running calls may end
// until [Options.DrainTimeout], or the end of ctx; then the plugin is stopped. An
// error of Stop is an event, and not returned: the plugin has gone.
//
// Plugins that require it must not be there, or go along with [Cascade], first.
func (m *Manager) Unregister(ctx context.Context, name string, how ...RemoveOption) error {
	began := time.Now()
	units, release, err := m.claimTree(ctx, name, func(dependents []*unit) error {
		if slices.Contains(how, Cascade) {
			return nil
		}
		return needed(name, dependents)
	})
	if err == nil {
		defer release()
		err = m.remove(ctx, units)
	}
	if err != nil {
		m.tell(ctx, Event{Change: ChangeUnregister, Plugin: name, Err: err, Failed: true, Time: began})
	}
	return err
}

// Disable stops a plugin as [Manager.Unregister] does, without forgetting it. The
// reason is for operators. Plugins that require it must be disabled, or are with
// [Cascade]. One that is disabled already stays so, and one that has tripped is not
// tried again.
func (m *Manager) Disable(ctx context.Context, name, reason string, how ...RemoveOption) error {
	began := time.Now()
	var running []*unit
	units, release, err := m.claimTree(ctx, name, func(dependents []*unit) error {
		running = slices.DeleteFunc(slices.Clone(dependents), func(u *unit) bool { return u.state == Disabled })
		if slices.Contains(how, Cascade) {
			return nil
		}
		return needed(name, running)
	})
	if err != nil {
		m.tell(ctx, Event{Change: ChangeDisable, Plugin: name, Reason: reason, Err: err, Failed: true, Time: began})
		return err
	}
	defer release()
	m.takeDown(ctx, units, func(u *unit) (State, string) {
		u.circuit.forget()
		switch {
		case u.name == name:
			return Disabled, reason
		case u.state == Disabled:
			return Disabled, u.reason
		}
		return Disabled, fmt.Sprintf("it requires %q", name)
	}, func(u *unit, stopped error) {
		if u.name == name || slices.Contains(running, u) {
			m.tell(ctx, Event{Change: ChangeDisable, Plugin: u.name, Version: u.version, Reason: u.reason, Err: stopped, Time: began})
		}
	})
	return nil
}

func needed(name string, by []*unit) error {
	if len(by) == 0 {
		return nil
	}
	return conflict("plugin %q: required by %s", name, strings.Join(namesOf(by), ", "))
}

// claimTree claims a plugin and all that require it.
func (m *Manager) claimTree(ctx context.Context, name string, check func(dependents []*unit) error) (tree []*unit, release func(), _ error) {
	release, err := m.claim(ctx, func() (exclusive, shared []string, _ error) {
		u := m.units[name]
		if u == nil {
			return nil, nil, unknown(name)
		}
		dependents := m.dependents(name)
		tree = append([]*unit{u}, dependents...)
		return namesOf(tree), nil, check(dependents)
	}, false)
	return tree, release, err
}

// remove forgets units. They are claimed, with all that require them.
func (m *Manager) remove(ctx context.Context, units []*unit) error {
	began := time.Now()
	m.mu.Lock()
	err := m.checkPin(nil, units)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	m.takeDown(ctx, units, func(u *unit) (State, string) {
		u.circuit.forget()
		delete(m.units, u.name)
		return Disabled, "unregistered"
	}, func(u *unit, stopped error) {
		m.tell(ctx, Event{Change: ChangeUnregister, Plugin: u.name, Version: u.version, Err: stopped, Time: began})
	})
	return nil
}

// takeDown takes the features of units from the host, all at once, and stops
// them, those that require others first. become is called with the lock held and
// says what they are then.
func (m *Manager) takeDown(ctx context.Context, units []*unit, become func(*unit) (State, string), after func(u *unit, stopped error)) {
	m.mu.Lock()
	order, err := inOrder(units, m.units)
	if err != nil {
		order = units // cannot be: a cycle was never let in
	}
	running := slices.DeleteFunc(slices.Clone(order), func(u *unit) bool { return !u.serves() })
	if len(running) > 0 {
		err = m.host.Swap(featuresOf(running), nil)
	}
	for _, u := range order {
		u.turn(become(u))
	}
	for _, u := range running {
		u.set(gateShut)
	}
	m.mu.Unlock()

	patience, cancel := m.patience(ctx)
	defer cancel()
	for _, u := range slices.Backward(order) {
		var stopped error
		if slices.Contains(running, u) {
			m.drain(patience, u)
			stopped = errors.Join(err, m.stopUnit(ctx, u))
		}
		after(u, stopped)
	}
}

// patience ends when calls are canceled.
func (m *Manager) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(0, m.opts.DrainTimeout))
}

func (m *Manager) drain(patience context.Context, u *unit) {
	canceled, abandoned := u.drain(patience)
	m.stats.canceled.Add(int64(canceled))
	m.stats.abandoned.Add(int64(abandoned))
}
