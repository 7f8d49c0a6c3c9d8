package transport

import (
	"math"
	"net/http"
)

// serveLegacyGET serves the standalone stream of a session, or resumes any.
func (h *HTTPHandler) serveLegacyGET(w http.ResponseWriter, r *http.Request, version string) *refusal {
	ref := firstOf(checkSingle(r.Header), checkAccept(r.Header, typeStream), checkLegacy(r, version))
	if ref != nil {
		return ref
	}
	s, ref := h.session(r, h.maxStreams)
	if ref != nil {
		return ref
	}
	defer s.release()
	id, after := s.listen.id, fresh
	if len(r.Header[headerEventID]) > 0 {
		var ok bool
		if id, after, ok = parseEventID(r.Header.Get(headerEventID)); !ok {
			return invalidRequest("Last-Event-ID is malformed")
		}
		if h.store == nil {
			return invalidRequest("streams cannot be resumed")
		}
	}
	r, e := newExchange(r)
	defer e.cancel(nil)
	var before []byte
	if isStandalone(id) && id != s.listen.id { // of another replica
		if before, ref = s.leftBehind(r.Context(), id, after); ref != nil {
			return ref
		}
		id, after = s.listen.id, fresh
	}
	if id != s.listen.id {
		if ref := h.calls.beginResume(e, version); ref != nil {
			return ref
		}
		defer h.calls.end(e)
		return h.serveStream(w, r, s.resumed(id), after, nil)
	}
	e.owner = &listening{e.owner, s}
	if ref := h.calls.beginStream(e, version); ref != nil {
		return ref
	}
	defer h.calls.endStream(e)
	return h.serveStream(w, r, &s.listen, after, before)
}

// listening is the GET of the standalone stream of s.
type listening struct {
	aborter
	s *session
}

// resumed returns the stream of a call. If the call is answered, or never was,
// only the store knows of it.
func (s *session) resumed(id string) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.streams[id]; r != nil {
		return &r.stream
	}
	return &stream{s: s, id: id, opened: true, next: math.MaxInt, done: true}
}

// offer lets clients resume the stream of r.
func (s *session) offer(r *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams == nil {
		s.streams = map[string]*reply{}
	}
	s.streams[r.id] = r
}

func (s *session) withdraw(r *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, r.id)
}
