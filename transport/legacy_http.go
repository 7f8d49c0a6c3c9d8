package transport

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/era"
)

// legacySide is what an HTTPHandler has for legacy clients.
type legacySide struct {
	lists      catalog
	dispatcher *dispatcher
	sessions   *sessionTable
	shared     *sharedSessions
	passing    sync.Map // *mcp.RequestExtra to the *call that go-sdk's loop serves
}

func (h *HTTPHandler) setupLegacy(d *dispatcher) {
	h.dispatcher = d
	h.server.AddReceivingMiddleware(h.escort)
	h.sessions = newSessionTable(h.server, &h.settings)
	h.shared = newSharedSessions(h.sessions)
	if h.sessionStore != nil {
		h.sessions.keeper = newSessionKeeper(h.sessions, h.calls, &h.settings)
	}
}

var legacyVersions = slices.DeleteFunc(mcp.SupportedProtocolVersions(), era.IsModern)

func isLegacy(version string) bool { return slices.Contains(legacyVersions, version) }

// checkLegacy refuses legacy requests by their headers.
func checkLegacy(r *http.Request, version string) *refusal {
	if version != "" && !isLegacy(version) {
		return invalidRequest("the protocol version is not supported")
	}
	if r.Method != http.MethodGet && len(r.Header[headerEventID]) > 0 {
		return invalidRequest("Last-Event-ID is for GET")
	}
	return nil
}

// session returns the session of r, in use until it is released.
func (h *HTTPHandler) session(r *http.Request) (*session, *refusal) {
	id := r.Header.Get(headerSession)
	if id == "" {
		return nil, invalidRequest("Mcp-Session-Id is missing")
	}
	owner := h.principal(r.Context())
	s := h.sessions.find(id, owner)
	if h.sessions.keeper != nil {
		return h.keptSession(r, s, id, owner)
	}
	if s == nil {
		return nil, sessionNotFound()
	}
	if ref := s.use(h.maxStreams); ref != nil {
		return nil, ref
	}
	return s, nil
}

// serveLegacyPOST serves messages whose envelopes and headers are sound.
func (h *HTTPHandler) serveLegacyPOST(w http.ResponseWriter, r *http.Request, messages []*message, batch bool, version string) *refusal {
	if ref := checkLegacy(r, version); ref != nil {
		return ref
	}
	if first := messages[0]; first.method == "initialize" {
		return h.serveInitialize(w, r, first)
	}
	if h.stateless {
		return h.serveStateless(w, r, messages, batch, version)
	}
	s, ref := h.session(r)
	if ref != nil {
		return ref
	}
	if batch && version == "" && s.version > lastBatch {
		s.release()
		return invalidRequest("batches are not supported since 2025-06-18")
	}
	extra := &mcp.RequestExtra{TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: r.Header}
	calls, notes, ref := h.sort(r.Context(), s, messages, extra)
	if ref != nil {
		s.release()
		return ref
	}
	if len(calls) == 0 {
		defer s.release()
		h.note(r.Context(), s, notes)
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	return h.serveCalls(w, r, s, calls, notes, batch)
}

// sort makes calls and notes of messages, or says what is wrong with one.
func (h *HTTPHandler) sort(ctx context.Context, s *session, messages []*message, extra *mcp.RequestExtra) (calls []*call, notes []*note, _ *refusal) {
	for _, m := range messages {
		if !m.isCall() {
			n, ref := newNote(s, m, extra)
			if ref != nil {
				return nil, nil, ref
			}
			notes = append(notes, n)
			continue
		}
		if ref := callable(m); ref != nil {
			return nil, nil, ref.withID(m.id)
		}
		calls = append(calls, h.newCall(ctx, s, m, extra))
	}
	return calls, notes, nil
}

// callable refuses calls of what is no legacy method.
func callable(m *message) *refusal {
	switch {
	case strings.HasPrefix(m.method, "notifications/"):
		return invalidRequest("a notification has no id")
	case m.method == "initialize":
		return invalidRequest("the session is initialized")
	case m.method == "subscriptions/listen", m.method == "server/discover":
		return methodNotFound()
	}
	return nil
}

func methodNotFound() *refusal {
	return refuse(http.StatusBadRequest, jsonrpc.CodeMethodNotFound, mcperrors.NotFound, "method not found")
}

// serveCalls runs calls and waits for the end of the response. It takes over
// the use of s.
func (h *HTTPHandler) serveCalls(w http.ResponseWriter, r *http.Request, s *session, calls []*call, notes []*note, batch bool) *refusal {
	inline := len(calls) == 1 && canHijack(w, r)
	e := &exchange{calls: len(calls)}
	re := h.newReply(w, r, s, calls, batch, inline)
	e.cancel = func(cause error) {
		for _, c := range calls {
			c.cancel(cause)
		}
		go re.cut(calls) // ends within cutTime
	}
	if ref := h.admit(e, s, calls); ref != nil {
		re.abandon()
		s.release()
		return ref
	}
	defer re.depart()
	h.note(r.Context(), s, notes)
	if inline {
		defer func() { h.calls.end(e); s.release() }()
		h.run(calls[0])
		return nil
	}
	left := atomic.Int64{}
	left.Store(int64(len(calls)))
	for _, c := range calls {
		go func() { // ends with the handler
			h.run(c)
			if left.Add(-1) == 0 {
				h.calls.end(e)
				s.release()
			}
		}()
	}
	select {
	case <-re.post.over:
	case <-r.Context().Done():
	}
	return nil
}

// depart gives the response back to net/http.
func (r *reply) depart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.detach(r.post)
	r.post.release()
}

// admit enters calls into the books, or into none.
func (h *HTTPHandler) admit(e *exchange, s *session, calls []*call) *refusal {
	if ref := s.begin(calls); ref != nil {
		return ref
	}
	if ref := h.calls.begin(e, s.version); ref != nil {
		for _, c := range calls {
			s.finished(c)
		}
		return ref.withID(calls[0].id)
	}
	return nil
}

// deleteWait is how long a DELETE waits for what go-sdk runs.
const deleteWait = time.Second

// serveLegacyDELETE ends a session.
func (h *HTTPHandler) serveLegacyDELETE(w http.ResponseWriter, r *http.Request, version string) *refusal {
	if ref := firstOf(checkSingle(r.Header), checkLegacy(r, version)); ref != nil {
		return ref
	}
	if h.sessions.keeper != nil {
		return h.deleteKept(w, r)
	}
	s, ref := h.session(r)
	if ref != nil {
		return ref
	}
	defer s.release()
	s.delete(r.Context())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// delete ends s and waits for that as long as ctx lasts, or a moment.
func (s *session) delete(ctx context.Context) {
	s.end(SessionDeleted)
	select {
	case <-s.gone:
	case <-ctx.Done():
	case <-time.After(deleteWait): // a handler ignores its context
	}
}
