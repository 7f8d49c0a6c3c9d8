package transport

import (
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// serveInitialize opens a session. If go-sdk or a middleware refuses, nothing
// is left of it.
func (h *HTTPHandler) serveInitialize(w http.ResponseWriter, r *http.Request, m *message) *refusal {
	switch {
	case !m.isCall():
		return invalidRequest("initialize needs an id")
	case r.Header.Get(headerSession) != "" && !h.stateless:
		return invalidRequest("the session is initialized")
	}
	c := &call{}
	c.begin(r.Context(), m, mcp.RequestExtra{TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: r.Header})
	defer c.end(nil)

	owner := h.principal(r.Context())
	s, ref := h.unopened(owner)
	if ref != nil {
		return ref
	}
	e := &exchange{calls: 1, owner: abortFunc(func(cause error) { c.end(cause); s.end(SessionDrained) })}
	if ref := h.calls.begin(e, ""); ref != nil {
		s.end(SessionDrained)
		return ref
	}
	defer h.calls.end(e)
	data, err := h.initialize(s, c)
	if err == nil && h.stateless {
		s.release()
		h.answerOnce(w, r, data, nil)
		return nil
	}
	if err == nil && s.kept != nil {
		err = s.kept.create(r.Context())
	}
	if err == nil && !h.sessions.add(s) {
		err = unavailable("").err
	}
	if err != nil {
		s.end(SessionClosed)
		h.answerOnce(w, r, encodeError(c.id, err), err)
		return nil
	}
	s.watch()
	if h.opened != nil {
		guard(func() { h.opened(s.sdk) })
	}
	w.Header()[headerSession] = []string{s.id}
	h.answerOnce(w, r, data, nil)
	return nil
}

// unopened returns a session that waits for initialize.
func (h *HTTPHandler) unopened(owner string) (*session, *refusal) {
	if h.stateless {
		return h.shared.connect(singleSession, "", nil)
	}
	if ref := h.sessions.reserve(owner, ""); ref != nil {
		return nil, ref
	}
	s, err := h.sessions.newSession(owner)
	if err != nil {
		return nil, coded(mcperrors.Wrap(mcperrors.Internal, "", err), "")
	}
	return s, nil
}

// initialize returns the answer to c. Both results are set if it is an error.
func (h *HTTPHandler) initialize(s *session, c *call) (data []byte, err error) {
	var res mcp.Result
	p, ref := h.dispatcher.decodeInitialize(c.params)
	if ref == nil {
		res, err = h.dispatcher.serve(&c.ctx, c.method, &mcp.ServerRequest[*mcp.InitializeParams]{Session: s.sdk, Params: p, Extra: &c.extra})
	} else {
		err = ref.err
	}
	if init, ok := res.(*mcp.InitializeResult); err == nil && ok && init != nil {
		s.version = init.ProtocolVersion
	}
	data, tail, err := h.encode(nil, c, res, err)
	return append(data, tail...), err
}

// answerOnce writes an answer that has no stream to resume.
func (h *HTTPHandler) answerOnce(w http.ResponseWriter, r *http.Request, data []byte, err error) {
	re := &reply{h: h, request: r.Context(), asked: r.Header}
	re.post.open(w, h.writes)
	re.s = &session{}
	status, refused := re.status(err)
	if status == http.StatusOK && prefersStream(r.Header) {
		startStream(w)
		_ = re.post.write(appendEvent(nil, "message", "", 0, data)) // the client may be gone
		return
	}
	re.writeJSON(data, nil, status, refused)
}
