// Package absent has the errors for what a server does not have, or not for this
// caller: one for both, so that nobody can tell. Causes are for the log and may
// be nil.
package absent

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// An Error makes the error for a thing of that name.
type Error func(name string, cause error) error

// Tool is like what middleware.Errors makes of go-sdk's own error.
func Tool(_ string, cause error) error {
	return &mcperrors.Error{Code: mcperrors.NotFound, Message: "unknown tool", Cause: cause}
}

// Prompt is like what middleware.Errors makes of go-sdk's own error.
func Prompt(_ string, cause error) error {
	return &mcperrors.Error{Code: mcperrors.NotFound, Message: "unknown prompt", Cause: cause}
}

// Resource is go-sdk's own error for a URI that is read.
func Resource(uri string, cause error) error {
	return &resourceError{cause, mcp.ResourceNotFoundError(uri)}
}

// Subscription is for a URI that is watched.
func Subscription(uri string, cause error) error {
	return &mcperrors.Error{
		Code: mcperrors.NotFound, Message: "resource not found", Details: map[string]any{"uri": uri}, Cause: cause,
	}
}

// Completion is for a prompt or a template whose argument is completed.
func Completion(_ string, cause error) error {
	return &mcperrors.Error{
		Code: mcperrors.NotFound, Message: "nothing to complete: no such prompt or resource template", Cause: cause,
	}
}

// A resourceError is go-sdk's with a cause: middleware.Errors finds the one and
// treats it as if it were alone, and the log has the other.
type resourceError struct{ cause, sdk error }

func (e *resourceError) Error() string {
	if e.cause == nil {
		return e.sdk.Error()
	}
	return e.cause.Error()
}

func (e *resourceError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.sdk}
	}
	return []error{e.sdk, e.cause}
}
