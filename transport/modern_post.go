package transport

import "net/http"

// serveModern serves one message of the modern era.
func (h *HTTPHandler) serveModern(w http.ResponseWriter, r *http.Request, m *message, version string) *refusal {
	if !m.isCall() {
		who := h.principal(r.Context())
		if ref := h.notes.enter(who, version); ref != nil {
			return ref
		}
		defer h.notes.leave(who)
	}
	if ref := h.modernMessage(w, r, m, version); ref != nil {
		if ref.id == nil && !m.isResponse() {
			ref.id = m.id
		}
		return ref
	}
	return nil
}

func (h *HTTPHandler) modernMessage(w http.ResponseWriter, r *http.Request, m *message, version string) *refusal {
	if ref := firstOf(checkSingle(r.Header), checkAccept(r.Header, typeJSON, typeStream)); ref != nil {
		return ref
	}
	if len(r.Header[headerEventID]) > 0 {
		return invalidRequest("there is nothing to resume with Last-Event-ID")
	}
	n, ref := checkNames(m, version)
	if ref == nil && !m.isResponse() {
		ref = checkRouting(r.Header, m, n)
	}
	if ref != nil {
		return ref
	}
	if m.isCall() && isDirect(m.method) && !isRemoved(m.method) {
		if done, ref := h.direct.serve(w, r, m, n); done {
			return ref
		}
	}
	return h.serveIndirect(w, r, m, n)
}

// isRemoved reports whether a method that is served directly went with the
// legacy era. Then there is none.
func isRemoved(method string) bool { return method == "ping" || method == "logging/setLevel" }
