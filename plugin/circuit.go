package plugin

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A circuit counts the faults of a unit. The manager's lock guards it.
type circuit struct {
	faults   []time.Time // within the window
	tripping bool
	backoff  time.Duration      // of the last retry; 0: none, or long ago
	cancel   context.CancelFunc // of the next one; nil: none
}

// forget is for a unit that starts, or goes.
func (c *circuit) forget() {
	if c.cancel != nil {
		c.cancel()
	}
	c.faults, c.tripping, c.cancel = nil, false, nil
}

// err is an error of the plugin's code, with its name.
func (u *unit) err(err error) error {
	if err == nil {
		return nil
	}
	if isFault(err) {
		u.panics.Add(1)
	}
	return fmt.Errorf("plugin %q: %w", u.name, err)
}

// fault is told of a panic in the plugin's code, or that it hangs. Too many of
// them disable it.
func (u *unit) fault(what string) {
	u.panics.Add(1)
	m, c, now := u.m, &u.circuit, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opts.MaxPanics < 0 || m.closed || u.state != Enabled || m.units[u.name] != u || c.tripping {
		return
	}
	limit := m.opts.MaxPanics
	switch {
	case c.backoff == 0:
	case now.Sub(u.since) < m.opts.PanicWindow:
		limit = 1 // it is on probation
	default:
		c.backoff = 0
	}
	c.faults = slices.DeleteFunc(c.faults, func(t time.Time) bool { return now.Sub(t) >= m.opts.PanicWindow })
	if c.faults = append(c.faults, now); len(c.faults) < limit {
		return
	}
	c.tripping = true
	reason := fmt.Sprintf("%d faults within %v, the last: %s", len(c.faults), m.opts.PanicWindow, what)
	m.tasks.Go(func() { m.trip(u, reason) }) // not here: this is one of the calls to be waited for
}

// trip disables a unit, and what requires it, until it is tried again.
func (m *Manager) trip(u *unit, reason string) {
	began := time.Now()
	ctx := m.background
	tree, release, err := m.claimTree(ctx, u.name, func([]*unit) error { return nil })
	if err != nil {
		return // it is gone, or all is
	}
	defer release()
	if tree[0] != u || m.stateOf(u) != Enabled {
		return
	}
	m.stats.trips.Add(1)
	m.takeDown(ctx, tree, func(dependent *unit) (State, string) {
		switch {
		case dependent == u:
			return Tripped, reason
		case dependent.state == Enabled:
			return Waiting, fmt.Sprintf("it requires %q, which tripped", u.name)
		}
		return dependent.state, dependent.reason
	}, func(one *unit, stopped error) {
		if one == u || m.stateOf(one) == Waiting {
			m.tell(ctx, Event{Change: ChangeTrip, Plugin: one.name, Version: one.version, Reason: one.reason, Err: stopped, Time: began})
		}
	})
	m.again(u, reason)
}

// again plans to try a unit once more.
func (m *Manager) again(u *unit, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.units[u.name] != u {
		return
	}
	c := &u.circuit
	c.forget()
	u.turn(Tripped, reason)
	if m.closed {
		return
	}
	c.backoff = min(max(2*c.backoff, m.opts.MinBackoff), m.opts.MaxBackoff)
	u.retryAt = u.since.Add(c.backoff)
	var wait context.Context
	wait, c.cancel = context.WithTimeout(m.background, c.backoff)
	m.tasks.Go(func() {
		<-wait.Done()
		if context.Cause(wait) == context.DeadlineExceeded { //nolint:errorlint // it is no other
			m.retry(u)
		}
	})
}

// retry tries a unit that tripped once more, and then those that wait for it.
func (m *Manager) retry(u *unit) {
	began := time.Now()
	ctx := m.background
	tree, release, err := m.claimTree(ctx, u.name, func([]*unit) error { return nil })
	if err != nil {
		return
	}
	defer release()
	if tree[0] != u || m.stateOf(u) != Tripped {
		return
	}
	m.stats.retries.Add(1)
	if err = m.bringUp(ctx, u); err != nil {
		m.again(u, err.Error())
	}
	m.tell(ctx, Event{Change: ChangeRetry, Plugin: u.name, Version: u.version, Err: err, Failed: err != nil, Time: began})
	if err == nil {
		m.wake(ctx, tree)
	}
}
