package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// maxName is the longest name of a plugin, in bytes.
const maxName = 64

// prepare learns all about a plugin without starting it. What it returns is
// complete unless there is an error, and has a name if the plugin told one.
func (m *Manager) prepare(ctx context.Context, p Plugin) (*unit, error) {
	u := &unit{m: m, setup: setup(p), state: Disabled}
	u.plugin = u.setup.Plugin
	err := m.identify(ctx, u)
	if err == nil {
		err = errors.Join(m.configure(ctx, u), m.declare(ctx, u))
	}
	if err == nil {
		err = m.collect(ctx, u)
	}
	if err != nil {
		name := u.name
		if name == "" {
			name = fmt.Sprintf("%T", u.plugin)
		}
		return u, refuse(mcperrors.Validation, "the plugin cannot be used", fmt.Errorf("plugin %q: %w", name, err))
	}
	return u, nil
}

func (m *Manager) identify(ctx context.Context, u *unit) error {
	switch u.plugin.(type) {
	case nil:
		return errors.New("nil plugin")
	case Setup, *Setup:
		return errors.New("a Setup in a Setup")
	}
	var err error
	if u.name, err = ask(ctx, m, "Name", u.plugin.Name); err != nil {
		return err
	}
	if err := checkName(u.name); err != nil {
		return err
	}
	if u.version, err = ask(ctx, m, "Version", u.plugin.Version); err != nil {
		return err
	}
	if u.semver, err = semver.StrictNewVersion(u.version); err != nil {
		return fmt.Errorf("version: %q is not a semantic version such as 1.0.0", clip(u.version))
	}
	return nil
}

func checkName(name string) error {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
	switch {
	case name == "":
		return errors.New("name: missing")
	case len(name) > maxName:
		return fmt.Errorf("name: %d bytes, at most %d are allowed", len(name), maxName)
	case strings.Trim(name, allowed) != "":
		return fmt.Errorf("name: %q has others than letters, digits, '_', '-' and '.'", name)
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "") + "…"
	}
	return s
}

// declare asks the optional interfaces what they have to say.
func (m *Manager) declare(ctx context.Context, u *unit) error {
	var errs []error
	if p, ok := u.plugin.(Requirer); ok {
		requires, err := ask(ctx, m, "Requires", p.Requires)
		if err == nil {
			u.requires, err = parseRequirements(requires)
		}
		errs = append(errs, err)
	}
	if p, ok := u.plugin.(Permitter); ok {
		permissions, err := ask(ctx, m, "Permissions", p.Permissions)
		u.permissions = slices.Clone(permissions)
		errs = append(errs, err)
	}
	if p, ok := u.plugin.(Grouper); ok {
		toolsets, err := ask(ctx, m, "Toolsets", p.Toolsets)
		u.toolsets = slices.Clone(toolsets)
		errs = append(errs, err)
	}
	if p, ok := u.plugin.(Interceptor); ok {
		mw, err := ask(ctx, m, "Middleware", p.Middleware)
		if err == nil && mw == nil {
			err = errors.New("method Middleware: returned nil")
		}
		u.middleware = mw
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// collect lets the plugin register what it has, and makes it the unit's.
func (m *Manager) collect(ctx context.Context, u *unit) error {
	type outcome struct {
		features []*Feature
		hash     string
	}
	// One value at the end, which a plugin that was left behind cannot change.
	result := make(chan outcome, 1)
	err := m.hook(ctx, "Register", m.opts.HookTimeout, func(context.Context) error {
		r := &Registrar{}
		err := u.plugin.Register(r)
		features, mistakes := r.close()
		errs := []error{err, mistakes}
		for _, f := range features {
			if err := u.own(f); err != nil {
				errs = append(errs, fmt.Errorf("%s %q: %w", f.Kind, f.Name(), err))
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		hash, err := u.digest(features)
		result <- outcome{features, hash}
		return err
	})
	if err != nil {
		return err
	}
	o := <-result
	u.features, u.hash = o.features, o.hash
	return nil
}

// checkAccess holds a feature against what the plugin introduces.
func (u *unit) checkAccess(a Access) error {
	var errs []error
	if _, ok := u.plugin.(Permitter); ok {
		for _, name := range a.Require {
			if !slices.ContainsFunc(u.permissions, func(p Permission) bool { return p.Name == name }) {
				errs = append(errs, fmt.Errorf("requires permission %q, which the plugin does not introduce", name))
			}
		}
	}
	if _, ok := u.plugin.(Grouper); ok {
		for _, tag := range a.Tags {
			if !slices.ContainsFunc(u.toolsets, func(t Toolset) bool { return t.Name == tag }) {
				errs = append(errs, fmt.Errorf("is in toolset %q, which the plugin does not introduce", tag))
			}
		}
	}
	return errors.Join(errs...)
}
