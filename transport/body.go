package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// bodyTimeout is how long a body may take to come.
const bodyTimeout = 30 * time.Second

// trustedLength bounds the memory that a Content-Length alone is given.
const trustedLength = 64 << 10

// readBody reads the body to its end: only then does net/http notice a client
// that leaves.
func (h *HTTPHandler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	tooLarge := func() *refusal {
		return refuse(http.StatusRequestEntityTooLarge, jsonrpc.CodeInvalidRequest, mcperrors.Validation,
			fmt.Sprintf("the body is longer than %d bytes", h.maxBytes))
	}
	body := r.Body
	if h.maxBytes >= 0 {
		if r.ContentLength > h.maxBytes {
			return nil, tooLarge()
		}
		if r.ContentLength < 0 {
			body = http.MaxBytesReader(w, body, h.maxBytes)
		}
	}
	rc := http.NewResponseController(w)
	deadline := rc.SetReadDeadline(time.Now().Add(bodyTimeout))
	buf := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), trustedLength)+bytes.MinRead))
	_, err := buf.ReadFrom(body)
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &tooMany):
		return nil, tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, refuse(http.StatusRequestTimeout, jsonrpc.CodeInvalidRequest, mcperrors.Timeout, "the body came too slowly")
	case err != nil:
		return nil, invalidRequest("the body could not be read")
	}
	if deadline == nil { // else there are none, and nothing to undo
		_ = rc.SetReadDeadline(time.Time{}) // it could be set a moment ago
	}
	return buf.Bytes(), nil
}
