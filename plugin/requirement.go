package plugin

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// A requirement is a [Requirement] that was understood.
type requirement struct {
	Requirement

	versions *semver.Constraints // nil: all
}

func parseRequirements(all []Requirement) ([]requirement, error) {
	var parsed []requirement
	var errs []error
	for _, r := range all {
		one := requirement{Requirement: r}
		var err error
		if r.Name == "" {
			errs = append(errs, errors.New("a requirement has no name"))
		}
		if r.Range != "" {
			if one.versions, err = semver.NewConstraint(r.Range); err != nil {
				errs = append(errs, fmt.Errorf("requires %q: %q is not a range of versions", r.Name, r.Range))
			}
		}
		parsed = append(parsed, one)
	}
	return parsed, errors.Join(errs...)
}

// check returns why there does not do for who.
func (r *requirement) check(who *unit, there *unit) error {
	if there == nil {
		return conflict("plugin %q: requires %q, which is not registered", who.name, r.Name)
	}
	if r.versions != nil && !r.versions.Check(there.semver) {
		return conflict("plugin %q: requires %q %s, and there is %s", who.name, r.Name, r.Range, there.version)
	}
	return nil
}

// inOrder sorts units so that each comes after those it requires. among are all
// that there are. A cycle is an error, told as who requires whom.
func inOrder(units []*unit, among map[string]*unit) ([]*unit, error) {
	wanted := map[*unit]bool{}
	for _, u := range units {
		wanted[u] = true
	}
	const visiting, done = 1, 2
	state := map[*unit]int{}
	var order []*unit
	var visit func(u *unit, path string) error
	visit = func(u *unit, path string) error {
		switch state[u] {
		case visiting:
			return conflict("plugins require each other: %s", path)
		case done:
			return nil
		}
		state[u] = visiting
		for _, r := range u.requires {
			next := among[r.Name]
			if next == nil {
				continue // somebody else tells
			}
			if err := visit(next, path+" → "+next.name); err != nil {
				return err
			}
		}
		if state[u] = done; wanted[u] {
			order = append(order, u)
		}
		return nil
	}
	for _, u := range slices.SortedFunc(slices.Values(units), byName) {
		if err := visit(u, u.name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// dependents returns all that require the unit of that name, or one that does.
// The manager's lock is held.
func (m *Manager) dependents(name string) []*unit {
	found := map[string]*unit{}
	var look func(name string)
	look = func(name string) {
		for _, u := range m.units {
			if found[u.name] == nil && u.needs(name) {
				found[u.name] = u
				look(u.name)
			}
		}
	}
	look(name)
	delete(found, name)
	return slices.SortedFunc(maps.Values(found), byName)
}

func (u *unit) needs(name string) bool {
	return slices.ContainsFunc(u.requires, func(r requirement) bool { return r.Name == name })
}
