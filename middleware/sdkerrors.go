package middleware

import (
	"errors"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// What go-sdk v1.8.0 says, where it gives nothing better to tell an error by.
// A test pins each of these against the SDK.
const (
	sdkUnknownTool      = `unknown tool "`
	sdkUnknownPrompt    = `unknown prompt "`
	sdkResourceNotFound = "Resource not found"
	sdkBadArguments     = `validating "arguments": `
	sdkBusy             = "the server is busy, retry later"
)

// sdkResourceNotFoundCode is what go-sdk uses by MCPGODEBUG or before v1.7.
const sdkResourceNotFoundCode = -32002

// sdkError returns the coded form of an error that go-sdk itself made of a
// request, or nil. Its own texts repeat what the caller sent, and the data of
// a missing resource is not valid JSON for every URI.
func sdkError(method string, req mcp.Request, err error) *mcperrors.Error {
	if _, ok := errors.AsType[*mcperrors.Error](err); ok {
		return nil
	}
	if method == readResource {
		if wire, ok := errors.AsType[*jsonrpc.Error](err); ok && isResourceNotFound(wire) {
			e := &mcperrors.Error{Code: mcperrors.NotFound, Message: "resource not found", Cause: err}
			if t := targetOf(req); t.key == "resource" {
				e.Details = map[string]any{"uri": clip(t.raw, maxURI)}
			}
			return e
		}
	}
	switch {
	case method == callTool && isUnknown(err, sdkUnknownTool):
		return &mcperrors.Error{Code: mcperrors.NotFound, Message: "unknown tool"}
	case method == getPrompt && isUnknown(err, sdkUnknownPrompt):
		return &mcperrors.Error{Code: mcperrors.NotFound, Message: "unknown prompt"}
	case kindOf(method) == work && err.Error() == sdkBusy:
		// A handler shed load by an empty map of input requests.
		return &mcperrors.Error{Code: mcperrors.Exhausted, Cause: err}
	}
	return nil
}

func isUnknown(err error, prefix string) bool {
	wire, ok := err.(*jsonrpc.Error) //nolint:errorlint // the SDK's own is never wrapped
	return ok && wire.Code == jsonrpc.CodeInvalidParams && len(wire.Data) == 0 &&
		strings.HasPrefix(wire.Message, prefix)
}

func isResourceNotFound(wire *jsonrpc.Error) bool {
	return wire.Message == sdkResourceNotFound &&
		(wire.Code == jsonrpc.CodeInvalidParams || wire.Code == sdkResourceNotFoundCode)
}

// typedToolError gives the SDK's refusal of arguments its code: the model has
// to see its text, to mend the call.
func typedToolError(err error) error {
	if text := err.Error(); errors.Unwrap(err) == nil && strings.HasPrefix(text, sdkBadArguments) {
		return &mcperrors.Error{Code: mcperrors.Validation, Message: text, Cause: err}
	}
	return err
}
