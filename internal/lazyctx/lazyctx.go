// Package lazyctx has contexts that cost next to nothing until somebody waits
// for their end. Most calls are over before anybody does.
package lazyctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Context ends when End is called or its parent ends. It is part of a larger
// struct, and makes what a waiter needs when Done is first called.
//
// Set it up with Begin. It must not be copied.
type Context struct {
	parent   context.Context
	deadline time.Time

	inner atomic.Pointer[armed]

	mu         sync.Mutex
	err, cause error // once it ended, or was seen to have ended
}

// armed is what there is once somebody waits for the end.
type armed struct {
	context.Context
	cancel context.CancelCauseFunc
}

// Begin sets c up as a child of parent. A deadline that is not zero is only
// told: whoever set it calls End.
func (c *Context) Begin(parent context.Context, deadline time.Time) {
	c.parent, c.deadline = parent, deadline
	if d, ok := parent.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
		c.deadline = d
	}
}

// Parent returns what Begin was given.
func (c *Context) Parent() context.Context { return c.parent }

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} { return c.arm().Done() }

func (c *Context) arm() *armed {
	if a := c.inner.Load(); a != nil {
		return a
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.inner.Load(); a != nil {
		return a
	}
	ctx, cancel := context.WithCancelCause(c.parent)
	if c.err != nil {
		cancel(c.cause)
	}
	a := &armed{ctx, cancel}
	c.inner.Store(a)
	return a
}

// Err implements [context.Context].
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = c.parent.Err()
		c.cause = c.err
	}
	return c.err
}

// Value implements [context.Context]. For keys that could be package context's
// own it asks the armed context: what derives from c joins that without a
// goroutine, and [context.Cause] finds the cause.
func (c *Context) Value(key any) any {
	if _, ok := key.(*int); ok {
		return c.arm().Value(key)
	}
	return c.parent.Value(key)
}

// End ends c with err, for which a nil cause stands too, unless it ended before.
func (c *Context) End(err, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		if c.err = c.parent.Err(); c.err == nil {
			c.err = err
		}
		if c.cause = cause; cause == nil {
			c.cause = c.err
		}
	}
	if a := c.inner.Load(); a != nil {
		a.cancel(c.cause)
	}
}

// A Detached context has the values of another one, and never ends.
type Detached struct{ Values context.Context }

// Deadline implements [context.Context].
func (Detached) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done implements [context.Context].
func (Detached) Done() <-chan struct{} { return nil }

// Err implements [context.Context].
func (Detached) Err() error { return nil }

// Value implements [context.Context]. It is [context.WithoutCancel]'s, which
// costs an allocation at each look-up, only for keys that could be package
// context's own: one of them leads to the end of the other context.
func (d Detached) Value(key any) any {
	if _, ok := key.(*int); ok {
		return context.WithoutCancel(d.Values).Value(key)
	}
	return d.Values.Value(key)
}
