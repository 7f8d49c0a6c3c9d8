package transport

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/era"
	"github.com/trestle-mcp/trestle/internal/timerqueue"
)

// An HTTPHandler serves one MCP server over streamable HTTP, in both eras of
// the protocol, at whatever path it is mounted. It is safe for concurrent use.
//
// A request that it refuses is answered with a JSON-RPC error and reaches no
// handler. [HTTPHandler.Drain] ends it.
type HTTPHandler struct {
	settings
	server  *mcp.Server
	direct  *modernEra
	listens *listens
	notes   notesGate
	calls   *calls
	inside  http.Handler      // all that is behind the checks of Host and Origin
	bodies  *timerqueue.Queue // how long a body may take
	writes  *timerqueue.Queue // how long a write may take; nil: for ever
	refused atomic.Int64      // see Stats
	legacySide
}

// NewHTTPHandler returns the handler for s. Nil opts means the defaults. The
// error names every mistake in opts.
//
// Add middleware to s before it serves: what comes later is not seen by calls.
func NewHTTPHandler(s *mcp.Server, opts *Options) (*HTTPHandler, error) {
	resolved, err := opts.resolve()
	if s == nil {
		err = errors.Join(errors.New("transport: the server is nil"), err)
	}
	if err != nil {
		return nil, err
	}
	h := &HTTPHandler{settings: resolved, server: s, calls: newCalls(), bodies: timerqueue.New(bodyTimeout)}
	if h.writeTimeout > 0 {
		h.writes = timerqueue.New(h.writeTimeout)
	}
	dispatcher := newDispatcher(s)
	h.setupLegacy(dispatcher)
	h.direct = newModernEra(dispatcher, &h.settings, h.calls, h.writes)
	h.listens = newListens(resolved.maxListens, resolved.maxListensEach)
	h.inside = http.HandlerFunc(h.serveInside)
	if opts != nil && opts.Authenticate != nil {
		h.inside = opts.Authenticate(h.inside)
	}
	return h, nil
}

// ServeHTTP implements [http.Handler].
func (h *HTTPHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(h.hosts.origins) > 0 {
		w.Header().Add("Vary", "Origin")
	}
	cors, ref := h.hosts.check(r)
	if ref != nil {
		h.refuse(w, r, ref)
		return
	}
	if cors != "" {
		allowOrigin(w.Header(), cors)
		if r.Method == http.MethodOptions {
			preflight(w, r)
			return
		}
	}
	h.inside.ServeHTTP(w, r)
}

func (h *HTTPHandler) serveInside(w http.ResponseWriter, r *http.Request) {
	if ref := h.serve(w, r); ref != nil {
		h.refuse(w, r, ref)
	}
}

// serve answers r, or returns why it is refused.
func (h *HTTPHandler) serve(w http.ResponseWriter, r *http.Request) *refusal {
	version := first(r.Header, headerVersion)
	if era.IsModern(version) || h.stateless {
		if ref := allow(w, r, http.MethodPost); ref != nil {
			return ref
		}
		return h.servePOST(w, r, version)
	}
	if ref := allow(w, r, http.MethodGet, http.MethodPost, http.MethodDelete); ref != nil {
		return ref
	}
	switch r.Method {
	case http.MethodPost:
		return h.servePOST(w, r, version)
	case http.MethodGet:
		return h.serveLegacyGET(w, r, version)
	}
	return h.serveLegacyDELETE(w, r, version)
}

// newExchange returns r with a context that can be canceled, and the exchange
// that cancels it.
func newExchange(r *http.Request) (*http.Request, *exchange) {
	ctx, cancel := context.WithCancelCause(r.Context())
	return r.WithContext(ctx), &exchange{owner: abortFunc(cancel)}
}

func firstOf(refusals ...*refusal) *refusal {
	for _, r := range refusals {
		if r != nil {
			return r
		}
	}
	return nil
}

// refuse answers r with ref.
func (h *HTTPHandler) refuse(w http.ResponseWriter, r *http.Request, ref *refusal) {
	h.refused.Add(1)
	h.log.LogAttrs(r.Context(), levelRefused, "request refused", refusedAttrs(ref)...)
	h.challenge(w.Header(), r.Header, ref.status, ref.err)
	writeRefusal(w, ref)
}

func writeRefusal(w http.ResponseWriter, ref *refusal) {
	body := ref.encode()
	header := w.Header()
	header.Set("Content-Type", typeJSON)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	setRetryAfter(header, ref.status, ref.after)
	w.WriteHeader(ref.status)
	_, _ = w.Write(body) // the client may be gone
}

var _ http.Handler = (*HTTPHandler)(nil)
