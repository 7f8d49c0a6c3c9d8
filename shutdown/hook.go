package shutdown

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// A Stage is when a hook runs. See the package.
type Stage int8

// The stages, in the order in which hooks of each run. The zero value is Close.
const (
	Unready Stage = iota - 2
	Drain
	Close
	Flush
)

// String returns "unready", "drain", "close" or "flush".
func (s Stage) String() string {
	switch s {
	case Unready:
		return "unready"
	case Drain:
		return "drain"
	case Close:
		return "close"
	default:
		return "flush"
	}
}

// A Hook is something to do at the end.
type Hook struct {
	// Name says what it is, in errors and logs.
	Name string
	// Stage is when. The zero value is [Close].
	Stage Stage
	// Timeout is how long it may take; its context ends then. In the stages
	// Unready and Drain the drain deadline ends it, too, if that is earlier.
	// Zero means 2 seconds, and in Drain the drain deadline alone.
	Timeout time.Duration
	// Run does it. One that ignores its context is left behind.
	Run func(ctx context.Context) error
}

const defaultHookTimeout = 2 * time.Second

func (h *Hook) timeout() time.Duration {
	switch {
	case h.Timeout > 0:
		return h.Timeout
	case h.Stage == Drain:
		return 1<<63 - 1
	}
	return defaultHookTimeout
}

var errLeft = errors.New("hangs, and is left behind")

// named gives err the name of its hook.
func (h *Hook) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", h.Stage, h.Name, err)
}

// A panicError is a panic of a hook or of the work.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panicked: %v", p.value) }

var errGoexit = errors.New("ended its goroutine without returning")

// guarded runs f on a goroutine of its own.
func guarded(ctx context.Context, f func(context.Context) error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() {
			if p := recover(); p != nil {
				err = &panicError{p, debug.Stack()}
			}
			done <- err
		}()
		err = f(ctx)
	}()
	return done
}
