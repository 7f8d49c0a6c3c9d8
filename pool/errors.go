package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

var (
	// ErrClosed is found in the error of whoever asks a closed pool, or waits
	// in one that is being closed. Its code is unavailable.
	ErrClosed = errors.New("the pool is closed")
	// ErrReleased is returned for the value of a lease that was given back.
	ErrReleased = errors.New("pool: used after it was released")
	// ErrBroken in the error that a function of Do returns has the resource
	// destroyed instead of kept.
	ErrBroken = errors.New("the resource is broken")
)

const busy = "busy, retry shortly"

var errClosed = mcperrors.Wrap(mcperrors.Unavailable, "shutting down, retry shortly", ErrClosed)

// An ExhaustedError says how full the pool was that had nothing to lend. It is
// the cause of an error with the code exhausted.
type ExhaustedError struct {
	Name    string // of the pool
	MaxSize int    // how many resources, or keys, there may be
	InUse   int    // how many are held
	Idle    int    // how many are not, and could not be had all the same
	Waiting int    // how many callers wait
	// Err is why the caller did not wait any longer: nil if it was not let in,
	// else that of its context.
	Err error
}

// Error says what there is to know.
func (e *ExhaustedError) Error() string {
	s := fmt.Sprintf("pool %q is exhausted: %d in use, %d idle, %d waiting, at most %d", e.Name, e.InUse, e.Idle, e.Waiting, e.MaxSize)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *ExhaustedError) Unwrap() error { return e.Err }

func exhausted(cause *ExhaustedError) error {
	return &mcperrors.Error{Code: mcperrors.Exhausted, Message: busy, RetryAfter: time.Second, Cause: cause}
}

// unavailable makes err, of the pool of that name, fit for a caller. A code
// that it has is kept.
func unavailable(name string, retryAfter time.Duration, err error) error {
	if _, ok := errors.AsType[*mcperrors.Error](err); ok {
		return err
	}
	return &mcperrors.Error{
		Code: mcperrors.Unavailable, Message: "not available, retry shortly",
		RetryAfter: retryAfter, Cause: fmt.Errorf("pool %q: %w", name, err),
	}
}

// A PanicError is a panic of a callback.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the panic's value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// A LeakError tells of a resource that is held for long.
type LeakError struct {
	Name string        // of the pool
	Held time.Duration // so far
	// Stack is where it was acquired, innermost first, or empty if that was
	// not recorded.
	Stack []runtime.Frame
}

// Error says how long, and where it was acquired.
func (e *LeakError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "pool %q: a resource is held for %v", e.Name, e.Held)
	for i, f := range e.Stack {
		if i == 0 {
			s.WriteString(", acquired at")
		}
		fmt.Fprintf(&s, "\n\t%s\n\t\t%s:%d", f.Function, f.File, f.Line)
	}
	return s.String()
}

// A CloseError says what Close could not wait for.
type CloseError struct {
	Name  string // of the pool
	InUse int    // resources that are still held; each is destroyed when it is released
	Stuck int    // callbacks that have not returned
	Err   error  // why Close did not wait any longer
}

// Error says what is left.
func (e *CloseError) Error() string {
	return fmt.Sprintf("pool %q: closed with %d resources in use and %d callbacks running: %v", e.Name, e.InUse, e.Stuck, e.Err)
}

// Unwrap returns Err.
func (e *CloseError) Unwrap() error { return e.Err }

// explain says why the caller of ctx got nothing.
func (p *Pool[T]) explain(ctx context.Context, err error) error {
	ended := ctx.Err()
	switch {
	case p.closed.Load():
		return errClosed
	case ended == nil:
		return unavailable(p.cfg.Name, time.Second, err)
	case !errors.Is(ended, context.DeadlineExceeded):
		return ended
	case p.creating.Load() == 0 || p.inUse.Load() >= int64(p.cfg.MaxSize):
		return exhausted(p.fullness(ended))
	default:
		return unavailable(p.cfg.Name, time.Second, ended)
	}
}

// fullness counts for the caller, who is counted as waiting, or was until err.
func (p *Pool[T]) fullness(err error) *ExhaustedError {
	inUse, admitted, size := p.inUse.Load(), p.admitted.Load(), p.size.Load()
	return &ExhaustedError{
		Name: p.cfg.Name, MaxSize: p.cfg.MaxSize, Err: err,
		InUse: int(inUse), Idle: int(max(size-inUse, 0)), Waiting: int(max(admitted-inUse, 0)),
	}
}
