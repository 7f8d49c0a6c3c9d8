package errors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Error is a failure with a code, a text for the caller and a cause for the
// log. All fields but Cause are public: they are sent to the caller as they are.
//
// Treat an Error as immutable once it is returned; many calls may share one.
type Error struct {
	// Code is the kind of failure. The zero value counts as [Internal].
	Code Code
	// Message is for the caller. Empty means the text of the code; with
	// [Internal] that generic text is always used.
	Message string
	// Details adds facts a program can use; it must encode as JSON. The
	// detail "uri" is also sent as data.uri, where the specification has it.
	// Not sent with [Internal].
	Details map[string]any
	// RetryAfter is when a retry may succeed. Zero means unknown.
	RetryAfter time.Duration
	// Scopes are what a token needs for this operation, with [Authorization] and
	// [Unauthenticated]: all of them at once, held or not, since a client adds
	// what else it wants by itself (2026-07-28). A value that is no scope-token
	// of RFC 6749, section 3.3, is not sent. Empty means that a scope would not
	// help, or that none is known.
	Scopes []string
	// RequestID names the call in the log; the errors middleware sets it.
	RequestID string
	// Time is when the failure was seen; the errors middleware sets it.
	Time time.Time
	// Cause is what happened, for the log only. It never reaches the caller.
	Cause error
}

// Errorf returns an error with a public message.
// To keep a cause, use [Wrap]: a cause has no place in a public text.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with a public message and a private cause.
func Wrap(code Code, message string, cause error) *Error {
	return &Error{Code: code, Message: message, Cause: cause}
}

// Error returns the code and the public message, never the cause: the text is
// safe wherever an error text is sent.
func (e *Error) Error() string { return string(e.code()) + ": " + e.text() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// As lets a bare go-sdk server find the JSON-RPC code of e.
func (e *Error) As(target any) bool {
	wire, ok := target.(**jsonrpc.Error)
	if ok {
		*wire = e.Wire("", "")
	}
	return ok
}

func (e *Error) code() Code {
	if _, ok := table[e.Code]; !ok {
		return Internal
	}
	return e.Code
}

func (e *Error) text() string {
	if c := e.code(); e.Message == "" || c == Internal {
		return c.row().text
	}
	return e.Message
}

// From returns err as an [Error], or nil for nil. An Error found in the chain
// keeps its public parts, and what wrapped it becomes part of the cause. A
// JSON-RPC error that this package encoded is decoded. The ends of a context
// are [Timeout] and [Canceled]. Anything else is [Internal] with err as cause.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok { //nolint:errorlint // the unwrapped case; errors.As follows
		if e == nil {
			return nil
		}
		return e
	}
	var e *Error
	var wire *jsonrpc.Error
	switch {
	case errors.As(err, &e):
		c := *e
		c.Cause = err
		return &c
	case errors.As(err, &wire):
		d := decode(wire)
		d.Cause = err
		return d
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: Timeout, Cause: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: Canceled, Cause: err}
	}
	return &Error{Code: Internal, Cause: err}
}

// CodeOf returns the code of err as [From] sees it, and "" for nil.
func CodeOf(err error) Code {
	if e := From(err); e != nil {
		return e.code()
	}
	return ""
}
