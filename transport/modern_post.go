package transport

import "net/http"

// serveModern serves one message of the modern era.
func (h *HTTPHandler) serveModern(w http.ResponseWriter, r *http.Request, body []byte, m *message, version string) *refusal {
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
	header := r.Header
	var n named
	if !m.isResponse() {
		var ref *refusal
		if n, ref = names(m.params); ref == nil {
			ref = checkVersion(version, n.version)
		}
		if ref == nil {
			header, ref = routed(header, m, n)
		}
		if ref != nil {
			return ref
		}
	}
	if m.isCall() && isDirect(m.method) && !isRemoved(m.method) {
		if done, ref := h.direct.serve(w, r, header, m, n); done {
			return ref
		}
	}
	if m.isListen() {
		end, ref := h.listens.begin(h.principal(r.Context()), version)
		if ref != nil {
			return ref
		}
		defer end()
	}
	if r.Header.Get("Accept") == "" { // go-sdk wants the header, curl does not
		header = with(header, "Accept", typeJSON+", "+typeStream)
	}
	return h.passPOST(w, r, header, body, []*message{m}, version, m.id)
}

// isRemoved reports whether method went with the legacy era. go-sdk says so to
// the caller.
func isRemoved(method string) bool { return method == "ping" || method == "logging/setLevel" }
