package plugin

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Enable starts a plugin that is disabled or has tripped, and what waits for it.
// What it requires must be enabled. It does nothing to one that is enabled.
func (m *Manager) Enable(ctx context.Context, name string) error {
	began := time.Now()
	var version string
	units, release, err := m.claimTree(ctx, name, func([]*unit) error { return nil })
	if err == nil {
		defer release()
		version = units[0].version
		if m.stateOf(units[0]) == Enabled {
			return nil
		}
		err = m.bringUp(ctx, units[0])
	}
	m.tell(ctx, Event{Change: ChangeEnable, Plugin: name, Version: version, Err: err, Failed: err != nil, Time: began})
	if err == nil {
		m.wake(ctx, units)
	}
	return err
}

func (m *Manager) stateOf(u *unit) State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return u.state
}

// bringUp starts a unit that is claimed, and shows what it has.
func (m *Manager) bringUp(ctx context.Context, u *unit) error {
	m.mu.Lock()
	err := u.satisfied(m.units, true)
	m.mu.Unlock()
	if err == nil {
		err = m.vet(nil, u.features)
	}
	if err == nil {
		err = m.start(ctx, u)
	}
	if err != nil {
		return err
	}
	err = m.commit(func() error { return m.show([]*unit{u}, nil) }, func() { u.circuit.forget() })
	if err != nil {
		err = errors.Join(err, m.stopUnit(ctx, u))
	}
	return err
}

// wake brings up what waits, of units that are claimed, now that one of them runs.
func (m *Manager) wake(ctx context.Context, units []*unit) {
	for {
		m.mu.Lock()
		i := slices.IndexFunc(units, func(u *unit) bool { return u.state == Waiting && u.satisfied(m.units, true) == nil })
		m.mu.Unlock()
		if i < 0 {
			return
		}
		next := units[i]
		began := time.Now()
		err := m.bringUp(ctx, next)
		if err != nil {
			m.again(next, err.Error())
		}
		m.tell(ctx, Event{Change: ChangeEnable, Plugin: next.name, Version: next.version, Err: err, Failed: err != nil, Time: began})
	}
}
