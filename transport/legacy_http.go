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
	"github.com/trestle-mcp/trestle/internal/timerqueue"
)

// legacySide is what an HTTPHandler has for legacy clients.
type legacySide struct {
	lists      catalog
	dispatcher *dispatcher
	sessions   *sessionTable
	shared     *sharedSessions
	passing    sync.Map          // *mcp.RequestExtra to the *call that go-sdk's loop serves
	primes     *timerqueue.Queue // answers that may become streams
	alives     *timerqueue.Queue // streams of answers; nil: they are not kept alive
}

func (h *HTTPHandler) setupLegacy(d *dispatcher) {
	h.dispatcher = d
	d.escort = h.escort
	h.sessions = newSessionTable(h.server, &h.settings)
	h.shared = newSharedSessions(h.sessions)
	if h.sessionStore != nil {
		h.sessions.keeper = newSessionKeeper(h.sessions, h.calls, &h.settings)
	}
	h.primes = timerqueue.New(primeAfter)
	if h.keepAlive > 0 {
		h.alives = timerqueue.New(h.keepAlive)
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

// session returns the session of r, in use until it is released. room is how
// much it may be in use before.
func (h *HTTPHandler) session(r *http.Request, room int) (*session, *refusal) {
	id := first(r.Header, headerSession)
	if id == "" {
		return nil, invalidRequest("Mcp-Session-Id is missing")
	}
	owner := h.principal(r.Context())
	s := h.sessions.find(id, owner)
	if h.sessions.keeper != nil {
		return h.keptSession(r, s, id, owner, room)
	}
	if s == nil {
		return nil, sessionNotFound()
	}
	if ref := s.use(room); ref != nil {
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
	s, ref := h.session(r, h.roomFor(messages))
	if ref != nil {
		return ref
	}
	if batch && version == "" && s.version > lastBatch {
		s.release()
		return invalidRequest("batches are not supported since 2025-06-18")
	}
	return h.serveMessages(w, r, s, messages, batch)
}

// serveMessages acts on messages in s. It takes over the use of s.
func (h *HTTPHandler) serveMessages(w http.ResponseWriter, r *http.Request, s *session, messages []*message, batch bool) *refusal {
	p := &post{}
	if ref := h.sort(r, s, p, messages); ref != nil {
		s.release()
		return ref
	}
	if len(p.calls) == 0 {
		defer s.release()
		h.note(r.Context(), s, p.notes)
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	return h.serveCalls(p, w, r, s, batch)
}

// A post is what a POST brought. With one call, as nearly all have, it is all
// that there is to allocate for it.
type post struct {
	exchange

	calls []*call
	notes []*note
	reply reply

	single call
	all    [1]*call
}

// newCall returns room for a call.
func (p *post) newCall() *call {
	if len(p.calls) > 0 {
		return &call{}
	}
	p.calls = p.all[:0]
	return &p.single
}

// abort implements [aborter].
func (p *post) abort(cause error) {
	for _, c := range p.calls {
		c.end(cause)
	}
	go p.reply.cut(p.calls) // ends within cutTime
}

// sort makes calls and notes of messages, or says what is wrong with one.
func (h *HTTPHandler) sort(r *http.Request, s *session, p *post, messages []*message) *refusal {
	extra := mcp.RequestExtra{TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: r.Header}
	for _, m := range messages {
		if !m.isCall() {
			own := extra
			n, ref := newNote(s.sdk, m, &own)
			if ref != nil {
				return ref
			}
			p.notes = append(p.notes, n)
			continue
		}
		if ref := callable(m); ref != nil {
			return ref.withID(m.id)
		}
		c := p.newCall()
		c.begin(r.Context(), m, extra)
		h.decode(s, c)
		p.calls = append(p.calls, c)
	}
	return nil
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

// serveCalls runs the calls of p and waits for the end of the response. It takes
// over the use of s.
func (h *HTTPHandler) serveCalls(p *post, w http.ResponseWriter, r *http.Request, s *session, batch bool) *refusal {
	inline := len(p.calls) == 1 && canHijack(w, r)
	p.exchange.calls, p.owner = len(p.calls), p
	re := &p.reply
	re.begin(h, w, r, s, p.calls, batch, inline)
	if ref := h.admit(p, s); ref != nil {
		re.abandon()
		s.release()
		return ref
	}
	defer re.depart()
	h.note(r.Context(), s, p.notes)
	if inline {
		defer func() { h.calls.end(&p.exchange); s.release() }()
		h.run(p.calls[0])
		return nil
	}
	left := atomic.Int64{}
	left.Store(int64(len(p.calls)))
	for _, c := range p.calls {
		go func() { // ends with the handler
			h.run(c)
			if left.Add(-1) == 0 {
				h.calls.end(&p.exchange)
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
	r.detach(&r.post)
	r.post.release()
}

// admit enters the calls of p into the books, or into none.
func (h *HTTPHandler) admit(p *post, s *session) *refusal {
	if ref := s.begin(p.calls); ref != nil {
		return ref
	}
	if ref := h.calls.begin(&p.exchange, s.version); ref != nil {
		for _, c := range p.calls {
			s.finished(c)
		}
		return ref.withID(p.calls[0].id)
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
	s, ref := h.session(r, h.roomFor(nil))
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
