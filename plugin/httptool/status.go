package httptool

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/redact"
	"github.com/trestle-mcp/trestle/internal/toolresult"
	"github.com/trestle-mcp/trestle/internal/yamljson"
)

// An outcome is what a status means: ok, or the code of an error.
type outcome string

const (
	ok      outcome = "ok"
	refused outcome = "refused" // by the service: an error without a code
)

var outcomes = []outcome{
	ok, outcome(mcperrors.Validation), outcome(mcperrors.NotFound), outcome(mcperrors.Conflict), outcome(mcperrors.RateLimited),
	outcome(mcperrors.Timeout), outcome(mcperrors.Unavailable), outcome(mcperrors.Internal),
}

var statusKey = regexp.MustCompile(`^[1-5]([0-9][0-9]|xx)$`)

func newStatuses(at string, given map[string]string, m *mistakes) map[string]outcome {
	statuses := make(map[string]outcome, len(given))
	for key, value := range given {
		if !statusKey.MatchString(key) {
			m.add(yamljson.Join(at, key), "want a status such as 404 or 4xx")
		}
		if !slices.Contains(outcomes, outcome(value)) {
			m.add(yamljson.Join(at, key), "%q: want ok, validation, not_found, conflict, rate_limited, timeout, unavailable or internal", value)
		}
		statuses[key] = outcome(value)
	}
	return statuses
}

// outcome returns what a status means: by the description, else by the table of
// the package comment.
func (r *response) outcome(status int) outcome {
	key := strconv.Itoa(status)
	if o, set := r.status[key]; set {
		return o
	}
	if o, set := r.status[key[:1]+"xx"]; set {
		return o
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return outcome(mcperrors.Validation)
	case http.StatusNotFound, http.StatusGone:
		return outcome(mcperrors.NotFound)
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusLocked:
		return outcome(mcperrors.Conflict)
	case http.StatusTooManyRequests:
		return outcome(mcperrors.RateLimited)
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return outcome(mcperrors.Timeout)
	case http.StatusUnauthorized: // the caller is not to sign in: we are
		return outcome(mcperrors.Unavailable)
	}
	switch status / 100 {
	case 2:
		return ok
	case 4:
		return refused
	}
	return outcome(mcperrors.Unavailable)
}

var messages = map[outcome]string{
	outcome(mcperrors.Validation):  "the service refused the arguments",
	outcome(mcperrors.NotFound):    "the service found nothing",
	outcome(mcperrors.Conflict):    "the service refused because of a conflict",
	outcome(mcperrors.RateLimited): "the service gets too many requests",
	outcome(mcperrors.Timeout):     "the service did not answer in time",
	outcome(mcperrors.Unavailable): "the service is not available",
	refused:                        "the service refused the request",
}

// failure makes an error of an answer. What the service wrote is shown where a
// model may learn from it.
func (t *tool) failure(a *answered, o outcome, kind string) (*mcp.CallToolResult, error) {
	e := &mcperrors.Error{Code: mcperrors.Code(o), Message: messages[o], Cause: fmt.Errorf("the service answered with status %d", a.status)}
	switch o {
	case outcome(mcperrors.RateLimited), outcome(mcperrors.Unavailable):
		e.RetryAfter = retryAfter(a.header.Get("Retry-After"), time.Now())
		return nil, e
	case outcome(mcperrors.Timeout), outcome(mcperrors.Internal):
		return nil, e
	default:
	}
	e.Message = fmt.Sprintf("%s (status %d)", e.Message, a.status)
	if shown := redact.String(a.excerpt(kind)); shown != "" {
		e.Message += ": " + shown
	}
	switch o {
	case refused:
		e.Code = mcperrors.Conflict // nothing that the caller could be told by a protocol error
	case outcome(mcperrors.NotFound):
		return told(e), nil // as a protocol error, it would say that there is no such tool
	default:
	}
	return nil, e
}

// told is an error as a result, so that a model sees its text whatever its code.
func told(e *mcperrors.Error) *mcp.CallToolResult {
	res := &mcp.CallToolResult{}
	res.SetError(e)
	res.Content = text(e.Text())
	res.Meta = mcp.Meta{toolresult.ErrorMetaKey: e.Data()}
	return res
}

// retryAfter reads a header of RFC 9110, section 10.2.3: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	const most = time.Hour
	value = strings.TrimSpace(value)
	var wait time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), most)
}
