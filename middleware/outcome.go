package middleware

import (
	"errors"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/zap/zapcore"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// The outcomes of a call, as they are logged.
const (
	outcomeOK        = "ok"         // it succeeded
	outcomeToolError = "tool_error" // the tool itself wrote an isError result without a code
	outcomeRefused   = "refused"    // the caller's to mend
	outcomeCanceled  = "canceled"   // the caller left
	outcomeFailed    = "failed"     // the server's to mend
)

// A verdict is how Log sees the end of a call.
type verdict struct {
	outcome string
	level   zapcore.Level
	code    mcperrors.Code
	cause   error
}

// judge weighs what came back. What Errors noted goes before the answer
// itself, since the answer has no cause any more.
func judge(rec *record, res mcp.Result, err error) verdict {
	failure := Failure(res, err)
	if failure == nil {
		if quiet(rec.method) {
			return verdict{outcome: outcomeOK, level: zapcore.DebugLevel}
		}
		return verdict{outcome: outcomeOK, level: zapcore.InfoLevel}
	}
	coded := rec.failure.Load()
	if coded == nil {
		if errors.Is(failure, errTool) {
			return verdict{outcome: outcomeToolError, level: zapcore.InfoLevel}
		}
		coded = mcperrors.From(failure)
	}
	v := verdict{
		outcome: outcomeFailed, level: zapcore.ErrorLevel,
		code: mcperrors.CodeOf(coded), cause: coded.Cause,
	}
	switch v.code {
	case mcperrors.Validation:
		// A cause here repeats what the caller sent, which is in no log.
		v.outcome, v.level, v.cause = outcomeRefused, zapcore.InfoLevel, nil
	case mcperrors.NotFound, mcperrors.Conflict, mcperrors.RateLimited:
		v.outcome, v.level = outcomeRefused, zapcore.InfoLevel
	case mcperrors.Unauthenticated, mcperrors.Authorization:
		v.outcome, v.level = outcomeRefused, zapcore.WarnLevel
	case mcperrors.Canceled:
		v.outcome, v.level = outcomeCanceled, zapcore.InfoLevel
	case mcperrors.Timeout, mcperrors.Unavailable, mcperrors.Exhausted:
		v.level = zapcore.WarnLevel
	case mcperrors.Internal:
	}
	return v
}

// quiet methods come so often, and mean so little when they succeed, that
// their records are for debugging.
func quiet(method string) bool {
	k := kindOf(method)
	return method == ping || k == list || k == notice
}
