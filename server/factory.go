package server

import (
	"slices"

	"github.com/trestle-mcp/trestle/plugin"
)

// A Factory builds servers that share the house rules: options, middleware,
// logger. It is safe for concurrent use.
type Factory struct {
	defaults Options
}

// NewFactory returns a factory whose servers start from defaults; nil means
// the production defaults. It keeps a copy.
func NewFactory(defaults *Options) *Factory {
	f := new(Factory)
	if defaults != nil {
		f.defaults = *defaults
		f.defaults.Middleware = slices.Clone(defaults.Middleware)
		f.defaults.Observe = slices.Clone(defaults.Observe)
		f.defaults.RateLimits = slices.Clone(defaults.RateLimits)
		f.defaults.StateKeys = slices.Clone(defaults.StateKeys)
	}
	return f
}

// With returns a factory whose defaults were changed by edit, which gets a
// copy; f stays as it is. Add to Middleware rather than replace it to keep the
// house rules.
func (f *Factory) With(edit func(*Options)) *Factory {
	derived := NewFactory(&f.defaults)
	edit(&derived.defaults)
	return derived
}

// New returns a server with the factory's options, and plugins. See [New].
func (f *Factory) New(name, version string, plugins ...plugin.Plugin) (*Server, error) {
	return newServer(name, version, f.defaults, plugins)
}
