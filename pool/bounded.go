package pool

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
)

// guard is guarded for what returns nothing but an error.
func guard(fn func() error) error {
	_, err := guarded(func() (struct{}, error) { return struct{}{}, fn() })
	return err
}

// guarded calls fn and turns a panic, or the end of the goroutine, into an error.
func guarded[R any](fn func() (R, error)) (v R, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
			return
		}
		err = errors.New("the callback ended its goroutine")
	}()
	v, err = fn()
	returned = true
	return v, err
}

// A watch counts callbacks that nobody waits for any more.
type watch struct {
	stuck   atomic.Int64
	settled func() // called when one of them has returned
}

// within calls fn with ctx on a goroutine of its own and waits for it, but not
// longer than ctx or wait. If it left, late gets what comes.
func within[R any](wait, ctx context.Context, w *watch, fn func(context.Context) (R, error), late func(R, error)) (v R, left bool, err error) {
	type outcome struct {
		v   R
		err error
	}
	result, gone := make(chan outcome), make(chan struct{})
	go func() {
		v, err := guarded(func() (R, error) { return fn(ctx) })
		select {
		case result <- outcome{v, err}:
		case <-gone:
			late(v, err)
			w.stuck.Add(-1)
			w.settled()
		}
	}()
	select {
	case o := <-result:
		return o.v, false, o.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-wait.Done():
		err = wait.Err()
	}
	w.stuck.Add(1)
	close(gone)
	return v, true, err
}

// detached has the values of one context and the end of another.
type detached struct {
	context.Context

	values context.Context
}

func (d detached) Value(key any) any { return d.values.Value(key) }
