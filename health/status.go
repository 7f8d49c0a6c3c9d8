package health

import (
	"context"
	"errors"
)

// A Status says how well something does its work. The worse, the larger.
type Status int8

// The states, with their names in the health format.
const (
	Healthy   Status = iota // "pass"
	Degraded                // "warn": works, but somebody should look
	Unhealthy               // "fail"
)

// String returns "healthy", "degraded" or "unhealthy".
func (s Status) String() string {
	switch s {
	case Healthy:
		return "healthy"
	case Degraded:
		return "degraded"
	default:
		return "unhealthy"
	}
}

// Word is the status in the health format: "pass", "warn" or "fail".
func (s Status) Word() string {
	switch s {
	case Healthy:
		return "pass"
	case Degraded:
		return "warn"
	default:
		return "fail"
	}
}

// A Checker can tell whether it works: nil means yes. Check returns when ctx
// ends. The text of its error is shown to operators and written to the log, without
// the secrets that can be told by their shape.
type Checker interface {
	Check(ctx context.Context) error
}

type warning struct{ error }

func (w warning) Unwrap() error { return w.error }

// Warn marks err so that a check which returns it is degraded at once, and
// never unhealthy: a fallback is in use, a disk gets full. Nil stays nil.
func Warn(err error) error {
	if err == nil {
		return nil
	}
	return warning{err}
}

func isWarning(err error) bool {
	var w warning
	return errors.As(err, &w)
}

// Func lets a function be a [Checker].
type Func func(ctx context.Context) error

// Check implements [Checker].
func (f Func) Check(ctx context.Context) error { return f(ctx) }
