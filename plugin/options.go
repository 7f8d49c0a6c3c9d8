package plugin

import (
	"context"
	"time"
)

// Defaults of [Options].
const (
	DefaultHookTimeout  = 10 * time.Second
	DefaultDrainTimeout = 10 * time.Second
	DefaultCheckTimeout = 2 * time.Second
	DefaultMaxPanics    = 3
	DefaultPanicWindow  = time.Minute
	DefaultMinBackoff   = time.Second
	DefaultMaxBackoff   = 5 * time.Minute
)

// Options configure a [Manager]. The zero value is the production default.
type Options struct {
	// HookTimeout is how long each method of a plugin may take, but for Check.
	// One that does not return then is left behind, and an error of the plugin.
	// Zero means 10 seconds; negative is a mistake.
	HookTimeout time.Duration
	// DrainTimeout is how long calls of a plugin may run on when it is removed,
	// replaced or disabled. Then they are canceled, and no longer waited for than
	// another second. Zero means 10 seconds; negative means not at all.
	DrainTimeout time.Duration
	// CheckTimeout is how long a plugin may take to say that it is well, and
	// [Access.When] to say for whom there is something. Zero means 2 seconds;
	// negative is a mistake.
	CheckTimeout time.Duration

	// MaxPanics within PanicWindow, in whatever code of it, disable a plugin.
	// Code that hangs counts like a panic. Zero means 3 within a minute; negative
	// MaxPanics means that none do.
	MaxPanics   int
	PanicWindow time.Duration
	// MinBackoff is after how long such a plugin is tried again. It doubles each
	// time it is disabled again before it was well for as long as PanicWindow, up
	// to MaxBackoff. Zero means 1 second and 5 minutes.
	MinBackoff, MaxBackoff time.Duration

	// Pin is the hash that the set of plugins has to have, see [Manager.Hash]: a
	// change after which it had another one is refused. Empty means that any will
	// do.
	Pin string

	// OnEvent is told of every change, and of those that failed, after it. ctx is
	// that of the change, but does not end with it. It must be quick and make no
	// changes itself: they would wait for this one. Nil means nobody is.
	OnEvent func(ctx context.Context, e Event)
}
