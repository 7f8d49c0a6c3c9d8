package transport

import (
	"bytes"
	"io"
	"maps"
	"net/http"
)

// serveModern serves one message of the modern era.
func (h *HTTPHandler) serveModern(w http.ResponseWriter, r *http.Request, body []byte, m *message, version string) *refusal {
	if !m.isCall() {
		who := h.principal(r.Context())
		if ref := h.notes.enter(who, version); ref != nil {
			return ref
		}
		defer h.notes.leave(who)
	}
	if ref := h.modernMessage(w, r, body, m, version); ref != nil {
		if ref.id == nil && !m.isResponse() {
			ref.id = m.id
		}
		return ref
	}
	return nil
}

func (h *HTTPHandler) modernMessage(w http.ResponseWriter, r *http.Request, body []byte, m *message, version string) *refusal {
	if ref := firstOf(checkSingle(r.Header), checkAccept(r.Header, typeJSON, typeStream)); ref != nil {
		return ref
	}
	if len(r.Header[headerEventID]) > 0 {
		return invalidRequest("there is nothing to resume with Last-Event-ID")
	}
	n, ref := checkNames(m, version)
	header := r.Header
	if ref == nil && !m.isResponse() {
		header, ref = routed(header, m, n)
	}
	if ref != nil {
		return ref
	}
	if m.isCall() && isDirect(m.method) && !isRemoved(m.method) {
		if done, ref := h.direct.serve(w, r, header, m, n); done {
			return ref
		}
	}
	if r.Header.Get("Accept") == "" { // go-sdk wants the header, curl does not
		header = with(header, "Accept", typeJSON+", "+typeStream)
	}
	return h.passModern(w, r, header, body, m, version)
}

// passModern hands m to go-sdk, unless this handler is draining and m is a call.
func (h *HTTPHandler) passModern(w http.ResponseWriter, r *http.Request, header http.Header, body []byte, m *message, version string) *refusal {
	r, e := newExchange(r)
	defer e.cancel(nil)
	r.Header, r.Body, r.ContentLength = header, io.NopCloser(bytes.NewReader(body)), int64(len(body))
	switch {
	case m.isListen():
		end, ref := h.listens.begin(h.principal(r.Context()), version)
		if ref != nil {
			return ref
		}
		defer end()
		if ref := h.calls.beginStream(e, version); ref != nil {
			return ref
		}
		defer h.calls.endStream(e)
	case m.isCall():
		e.calls = 1
		if ref := h.calls.begin(e, version); ref != nil {
			return ref
		}
		defer h.calls.end(e)
	}
	// What is no call passes, also during a drain: a running call may wait for it.
	h.pass(h.modern, w, r, m.id)
	return nil
}

// routed checks the routing headers of a modern message. go-sdk compares
// Mcp-Name as it is sent, so an encoded one is replaced.
func routed(header http.Header, m *message, n named) (http.Header, *refusal) {
	name, ref := checkRouting(header, m, n)
	if ref == nil && name != header.Get(headerName) {
		header = with(header, headerName, name)
	}
	return header, ref
}

// with returns a copy of h with one value replaced.
func with(h http.Header, name, value string) http.Header {
	h = maps.Clone(h)
	h.Set(name, value)
	return h
}

// isRemoved reports whether method went with the legacy era. go-sdk says so to
// the caller.
func isRemoved(method string) bool { return method == "ping" || method == "logging/setLevel" }
