package auth

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/challenge"
	"github.com/trestle-mcp/trestle/internal/redact"
)

const statusClientClosedRequest = 499

// A denial is an answer to a caller that gets no further.
type denial struct {
	status int
	err    *mcperrors.Error
}

// classify turns why a caller is refused into what the caller is told: no
// cause, and nothing about a token but that it is refused.
func classify(r *http.Request, err error) denial {
	public := func(status int, code mcperrors.Code, text string) denial {
		return denial{status, mcperrors.Wrap(code, text, err)}
	}
	var coded *mcperrors.Error
	switch {
	case canceled(r.Context(), err):
		return public(statusClientClosedRequest, mcperrors.Canceled, "")
	case errors.Is(err, sdkauth.ErrInvalidToken):
		return public(http.StatusUnauthorized, mcperrors.Unauthenticated, "a valid access token is required")
	case errors.Is(err, sdkauth.ErrOAuth):
		return public(http.StatusBadRequest, mcperrors.Validation, "the credentials were not understood")
	case errors.As(err, &coded):
		switch coded.Code {
		case mcperrors.Unauthenticated, mcperrors.Authorization, mcperrors.RateLimited,
			mcperrors.Unavailable, mcperrors.Exhausted:
			return denial{coded.Code.HTTPStatus(""), coded}
		default: // no verifier's business
		}
	}
	return public(http.StatusInternalServerError, mcperrors.Internal, "")
}

// refuse answers r. The body of r is not read: bytes of somebody unknown are
// not worth parsing. So the answer cannot have the request's id.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, sent bool, err error) {
	d := classify(r, err)
	g.refused.count(d.status)
	level := slog.LevelDebug
	switch d.status {
	case http.StatusInternalServerError:
		level = slog.LevelError
	case http.StatusServiceUnavailable:
		level = slog.LevelWarn
	}
	if g.opts.Logger.Enabled(r.Context(), level) {
		g.opts.Logger.LogAttrs(r.Context(), level, "caller refused",
			slog.Int("status", d.status), slog.String("reason", reason(r, err)))
	}
	scopes := d.err.Scopes
	if d.status == http.StatusUnauthorized {
		scopes = g.opts.Scopes // of the token that is to be had
	}
	challenge.Header(w.Header(), d.status, sent, scopes, g.MetadataURL())
	d.write(w)
}

// maxReason bounds a reason in the log, in bytes.
const maxReason = 1 << 10

// reason is the error and its causes for the log. A verifier from elsewhere may
// have put the token into its text.
func reason(r *http.Request, err error) string {
	text := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		text += ": " + cause.Error()
	}
	for _, value := range r.Header["Authorization"] {
		if token, ok := parseBearer(value); ok {
			text = strings.ReplaceAll(text, token, redact.Mark)
		}
	}
	text = redact.String(text)
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}

func (d denial) write(w http.ResponseWriter) {
	body, _ := json.Marshal(struct { //nolint:errchkjson // Wire leaves out what does not encode
		JSONRPC string         `json:"jsonrpc"`
		ID      *struct{}      `json:"id"`
		Error   *jsonrpc.Error `json:"error"`
	}{JSONRPC: "2.0", Error: d.err.Wire("", "")})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	challenge.RetryAfter(h, d.err.RetryAfter)
	w.WriteHeader(d.status)
	_, _ = w.Write(body) // the client may be gone
}
