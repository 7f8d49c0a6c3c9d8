package middleware

import (
	"fmt"
	"runtime"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// maxStack bounds a kept stack, in bytes; the innermost frames come first.
const maxStack = 16 << 10

// A PanicError is the cause of an error that was a panic.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the goroutine that panicked, at most 16 KiB.
	Stack []byte
}

// Error returns "panic: " and the value.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// There is no Unwrap: a panic with context.Canceled as its value is a fault of
// the server all the same, and errors.Is must not find the value in it.

// asPanic makes a recovered value a PanicError. It has to be called by the
// deferred function that recovered it, while the stack is still there. A value
// that is one already came from another goroutine or a layer further in, and
// its stack tells more than this one.
func asPanic(v any) *PanicError {
	if p, ok := v.(*PanicError); ok {
		return p
	}
	buf := make([]byte, maxStack)
	n := runtime.Stack(buf, false)
	return &PanicError{Value: v, Stack: buf[:n:n]}
}

func panicked(p *PanicError) *mcperrors.Error {
	return &mcperrors.Error{Code: mcperrors.Internal, Cause: p}
}
