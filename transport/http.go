package transport

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/era"
)

// An HTTPHandler serves one MCP server over streamable HTTP, in both eras of
// the protocol, at whatever path it is mounted. It is safe for concurrent use.
//
// A request that it refuses is answered with a JSON-RPC error and reaches no
// handler. [HTTPHandler.Drain] ends it.
type HTTPHandler struct {
	settings
	server  *mcp.Server
	modern  http.Handler // what is not served directly
	direct  *modernEra
	listens *listens
	calls   *calls
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
	h := &HTTPHandler{settings: resolved, server: s, calls: newCalls()}
	dispatcher := newDispatcher(s)
	h.setupLegacy(dispatcher)
	h.direct = newModernEra(dispatcher, resolved.principal, resolved.log)
	h.listens = newListens()
	get := func(*http.Request) *mcp.Server { return s }
	h.modern = mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{
		Stateless:                    true,
		PropagateRequestCancellation: true,
		Logger:                       resolved.log,
		MaxRequestBodyBytes:          -1,
		DisableLocalhostProtection:   true,
	})
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
	if ref := h.serve(w, r); ref != nil {
		h.refuse(w, r, ref)
	}
}

// serve answers r, or returns why it is refused.
func (h *HTTPHandler) serve(w http.ResponseWriter, r *http.Request) *refusal {
	version := r.Header.Get(headerVersion)
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
	return r.WithContext(ctx), &exchange{cancel: cancel}
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
	h.log.LogAttrs(r.Context(), levelRefused, "request refused", refusedAttrs(ref)...)
	writeRefusal(w, ref)
}

func writeRefusal(w http.ResponseWriter, ref *refusal) {
	body := ref.encode()
	header := w.Header()
	header.Set("Content-Type", typeJSON)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if ref.after > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(ref.after.Seconds()))))
	}
	w.WriteHeader(ref.status)
	_, _ = w.Write(body) // the client may be gone
}

var _ http.Handler = (*HTTPHandler)(nil)
