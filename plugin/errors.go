package plugin

import (
	"errors"
	"slices"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// A refusal has a code for callers, and all its text for operators.
type refusal struct {
	public *mcperrors.Error
	cause  error
}

// Error implements error.
func (e *refusal) Error() string { return e.cause.Error() }

// Unwrap makes the code known to package errors.
func (e *refusal) Unwrap() []error { return []error{e.public, e.cause} }

func refuse(code mcperrors.Code, public string, cause error) error {
	return &refusal{mcperrors.Errorf(code, "%s", public), cause}
}

func conflict(format string, args ...any) error {
	return mcperrors.Errorf(mcperrors.Conflict, format, args...)
}

func unknown(name string) error {
	return mcperrors.Errorf(mcperrors.NotFound, "plugin %q: not registered", clip(name))
}

var errClosed = mcperrors.Errorf(mcperrors.Unavailable, "the plugin manager is closed")

// joined is like [errors.Join], and returns an error that is alone as it is: it
// has a code.
func joined(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return refuse(mcperrors.CodeOf(errs[0]), "the plugins cannot be used", errors.Join(errs...))
}
