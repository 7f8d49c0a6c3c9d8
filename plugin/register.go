package plugin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Register adds plugins, all or none: those that others require are started
// first. First everything is checked: the plugins themselves, whether their names
// and those of their tools, resources and prompts are free, and whether what they
// require is there, among themselves or registered before.
//
// Then they are started, and then clients see all of it at once, and are told
// once for each kind. If one cannot be started, the others are stopped again.
func (m *Manager) Register(ctx context.Context, plugins ...Plugin) error {
	began := time.Now()
	units, err := m.prepareAll(ctx, plugins)
	if err == nil {
		err = m.register(ctx, units)
	}
	for _, u := range units {
		m.tell(ctx, Event{Change: ChangeRegister, Plugin: u.name, Version: u.version, Err: err, Failed: err != nil, Time: began})
	}
	return err
}

func (m *Manager) prepareAll(ctx context.Context, plugins []Plugin) ([]*unit, error) {
	var units []*unit
	var errs []error
	for _, p := range plugins {
		u, err := m.prepare(ctx, p)
		if err == nil && slices.ContainsFunc(units, func(other *unit) bool { return other.name == u.name }) {
			err = conflict("plugin %q: given twice", u.name)
		}
		units, errs = append(units, u), append(errs, err)
	}
	return units, joined(errs)
}

func (m *Manager) register(ctx context.Context, units []*unit) error {
	var order []*unit
	release, err := m.claim(ctx, func() (exclusive, shared []string, err error) {
		order, err = m.fit(units)
		return namesOf(units), m.required(units), err
	}, false)
	if err != nil {
		return err
	}
	defer release()
	m.mu.Lock()
	err = m.checkPin(units, nil)
	m.mu.Unlock()
	if err == nil {
		err = m.vet(nil, featuresOf(units))
	}
	if err != nil {
		return err
	}
	started := slices.DeleteFunc(order, func(u *unit) bool { return u.setup.Disabled })
	if err := m.startAll(ctx, started); err != nil {
		return err
	}
	err = m.commit(func() error {
		if err := m.checkPin(units, nil); err != nil {
			return err
		}
		return m.show(started, nil)
	}, func() {
		for _, u := range units {
			m.units[u.name] = u
			if u.setup.Disabled {
				u.turn(Disabled, "registered so")
			}
		}
	})
	if err != nil {
		err = errors.Join(err, m.stopAll(ctx, started))
	}
	return err
}

// fit checks names and requirements of units that are to be registered, and
// returns them in the order in which they are started. The lock is held.
func (m *Manager) fit(units []*unit) ([]*unit, error) {
	among := maps.Clone(m.units)
	var errs []error
	for _, u := range units {
		if m.units[u.name] != nil {
			errs = append(errs, conflict("plugin %q: registered already; Replace puts another in its place", u.name))
		}
		among[u.name] = u
	}
	for _, u := range units {
		errs = append(errs, u.satisfied(among, !u.setup.Disabled))
	}
	if err := joined(errs); err != nil {
		return nil, err
	}
	return inOrder(units, among)
}

// satisfied returns all that keeps u from being there among others or, if it is
// to run, from running.
func (u *unit) satisfied(among map[string]*unit, runs bool) error {
	var errs []error
	for i := range u.requires {
		r := &u.requires[i]
		there := among[r.Name]
		err := r.check(u, there)
		if err == nil && runs && there.off() {
			err = conflict("plugin %q: requires %q, which is disabled", u.name, r.Name)
		}
		errs = append(errs, err)
	}
	return joined(errs)
}

// off reports whether a unit does not run, or will not. Before it is registered
// that is for its setup to say.
func (u *unit) off() bool {
	if u.since.IsZero() {
		return u.setup.Disabled
	}
	return u.state != Enabled
}

// required are the names of what units require beside themselves.
func (m *Manager) required(units []*unit) []string {
	var names []string
	for _, u := range units {
		for _, r := range u.requires {
			if !slices.ContainsFunc(units, func(other *unit) bool { return other.name == r.Name }) && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	return names
}

func (m *Manager) vet(remove, add []*Feature) error {
	if err := m.host.Vet(remove, add); err != nil {
		return refused(err)
	}
	return nil
}

func refused(err error) error {
	return refuse(mcperrors.Conflict, "the server does not take what the plugin has", err)
}

// commit changes what there is. change may fail, then applies not.
func (m *Manager) commit(change func() error, apply func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := change(); err != nil {
		return err
	}
	apply()
	return nil
}

// show lets calls into units and gives the host their features, in the place of
// those of others. The lock is held.
func (m *Manager) show(units, instead []*unit) error {
	for _, u := range units {
		u.set(gateOpen)
	}
	if err := m.host.Swap(featuresOf(instead), featuresOf(units)); err != nil {
		for _, u := range units {
			u.set(gateShut)
		}
		return refused(err)
	}
	for _, u := range units {
		u.turn(Enabled, "")
	}
	return nil
}

// startAll starts units one after the other, or none.
func (m *Manager) startAll(ctx context.Context, units []*unit) error {
	for i, u := range units {
		if err := m.start(ctx, u); err != nil {
			return errors.Join(err, m.stopAll(ctx, units[:i]))
		}
	}
	return nil
}

// start starts a unit; one that does not is stopped.
func (m *Manager) start(ctx context.Context, u *unit) error {
	p, ok := u.plugin.(Starter)
	if !ok {
		return nil
	}
	if err := m.hook(ctx, "Start", m.opts.HookTimeout, p.Start); err != nil {
		return errors.Join(u.err(err), m.stopUnit(ctx, u))
	}
	return nil
}

// stopAll stops units, the last first, and returns what went wrong.
func (m *Manager) stopAll(ctx context.Context, units []*unit) error {
	var errs []error
	for _, u := range slices.Backward(units) {
		errs = append(errs, m.stopUnit(ctx, u))
	}
	return errors.Join(errs...)
}

// stopUnit stops one, also for somebody who no longer waits.
func (m *Manager) stopUnit(ctx context.Context, u *unit) error {
	p, ok := u.plugin.(Stopper)
	if !ok {
		return nil
	}
	return u.err(m.hook(context.WithoutCancel(ctx), "Stop", m.opts.HookTimeout, p.Stop))
}
