package plugin

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// hookGrace is how long a method may take to notice that its context ended.
const hookGrace = time.Second

// A PanicError is what a method of a plugin panicked with.
type PanicError struct {
	Method string
	Value  any
	Stack  string
}

// Error implements error. The text holds what the panic said: it is for
// operators, not for clients.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in %s: %v", e.Method, e.Value) }

// A hungError is a method that did not return.
type hungError struct {
	method string
	after  time.Duration
}

func (e *hungError) Error() string {
	return fmt.Sprintf("%s hangs: it did not return within %v", e.method, e.after)
}

// isFault reports whether err is a panic of the plugin, or that it hung.
func isFault(err error) bool {
	_, panicked := errors.AsType[*PanicError](err)
	_, hung := errors.AsType[*hungError](err)
	return panicked || hung
}

// hook runs code of a plugin, on a goroutine of its own because it may hang: one
// that does is left behind.
func (m *Manager) hook(ctx context.Context, method string, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := error(&PanicError{Method: method, Value: "runtime.Goexit"})
		defer func() {
			if v := recover(); v != nil {
				err = &PanicError{Method: method, Value: v, Stack: string(debug.Stack())}
			}
			done <- err
		}()
		err = f(ctx)
	}()
	late := time.NewTimer(limit + hookGrace)
	defer late.Stop()
	var err error
	select {
	case err = <-done:
	case <-late.C:
		m.stats.hangs.Add(1)
		return &hungError{method, limit}
	}
	switch e := err.(type) { //nolint:errorlint // as it was made above
	case nil:
		return nil
	case *PanicError:
		m.stats.panics.Add(1)
		return e
	}
	return fmt.Errorf("%s: %w", method, err)
}

// ask is hook for a method that only returns something.
func ask[T any](ctx context.Context, m *Manager, method string, f func() T) (T, error) {
	var got T
	answer := make(chan T, 1) // not written to by one that was left behind
	err := m.hook(ctx, method, m.opts.HookTimeout, func(context.Context) error {
		answer <- f()
		return nil
	})
	if err == nil {
		got = <-answer
	}
	return got, err
}
