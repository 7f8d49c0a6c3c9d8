package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/timerqueue"
)

// bodyTimeout is how long a body may take to come.
const bodyTimeout = 30 * time.Second

// trustedLength bounds the memory that a Content-Length alone is given.
const trustedLength = 64 << 10

// unknownLength is the memory for a start where there is no Content-Length.
const unknownLength = 512

// A bodyWatch cuts a body that comes too slowly. Only then it touches the
// connection: most bodies are there with their header.
type bodyWatch struct {
	wait timerqueue.Entry
	rang bool // Overdue was called, or is about to be

	mu   sync.Mutex
	w    http.ResponseWriter // nil when the body is read
	late bool
}

// Overdue implements [timerqueue.Overdue].
func (b *bodyWatch) Overdue() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w != nil {
		b.late = true
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Now()) // not every writer has deadlines
	}
}

// end reports whether the body came too late.
func (b *bodyWatch) end() bool {
	if b.wait.Remove() {
		return false
	}
	b.rang = true
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.late {
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Time{})
	}
	b.w = nil
	return b.late
}

// readBody reads the body to its end: only then does net/http notice a client
// that leaves.
func (h *HTTPHandler) readBody(w http.ResponseWriter, r *http.Request, watch *bodyWatch) ([]byte, *refusal) {
	body := r.Body
	if h.maxBytes >= 0 {
		if r.ContentLength > h.maxBytes {
			return nil, h.tooLarge()
		}
		if r.ContentLength < 0 {
			body = http.MaxBytesReader(w, body, h.maxBytes)
		}
	}
	watch.w = w
	h.bodies.Add(&watch.wait, watch)
	data, err := readAll(body, r.ContentLength)
	late := watch.end()
	var tooMany *http.MaxBytesError
	switch {
	case err == nil:
		return data, nil
	case errors.As(err, &tooMany):
		return nil, h.tooLarge()
	case late, errors.Is(err, os.ErrDeadlineExceeded): // or of the http.Server's own
		w.Header().Set("Connection", "close")
		return nil, refuse(http.StatusRequestTimeout, jsonrpc.CodeInvalidRequest, mcperrors.Timeout, "the body came too slowly")
	}
	return nil, invalidRequest("the body could not be read")
}

func (h *HTTPHandler) tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, jsonrpc.CodeInvalidRequest, mcperrors.Validation,
		fmt.Sprintf("the body is longer than %d bytes", h.maxBytes))
}

// readAll is io.ReadAll for a body that says how long it is, or -1.
func readAll(body io.Reader, length int64) ([]byte, error) {
	size := int64(unknownLength)
	if length >= 0 {
		size = min(length, trustedLength) + 1 // room to find the end without growing
	}
	data := make([]byte, 0, size)
	for {
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}
