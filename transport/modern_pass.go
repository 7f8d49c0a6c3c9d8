package transport

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// serveIndirect serves what is no method of modernEra.serve: notifications,
// subscriptions, custom methods, and methods that are none.
func (h *HTTPHandler) serveIndirect(w http.ResponseWriter, r *http.Request, header http.Header, m *message, n named) *refusal {
	extra := &mcp.RequestExtra{TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: header, CloseSSEStream: noClose}
	if !m.isCall() {
		return h.direct.note(w, r, extra, m, n)
	}
	if strings.HasPrefix(m.method, "notifications/") {
		return invalidRequest("a notification has no id")
	}
	if _, ref := h.direct.rules.check(n, h.direct.identity().versions); ref != nil {
		return ref
	}
	if m.method == methodListen {
		return h.serveListen(w, r, extra, m, n.version)
	}
	return h.direct.pass(w, r, extra, m, n.version)
}

// pass serves a call in a session of its own, through go-sdk's loop. That also
// refuses methods that nobody has.
func (m *modernEra) pass(w http.ResponseWriter, r *http.Request, extra *mcp.RequestExtra, msg *message, version string) *refusal {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	call := m.newCall(w, msg.id, msg.method, cancel)
	call.stream = prefersStream(extra.Header)
	if !m.inflight.begin(call) {
		return unavailable(version)
	}
	defer m.inflight.end(call)
	defer call.leave()
	ctx = &modernContext{ctx, call}
	p, err := m.dispatcher.pass(ctx, msg, extra, func(ctx context.Context, req *jsonrpc.Request) error {
		if c, _ := ctx.Value(modernCallKey{}).(*modernCall); c != call {
			return errNoStream
		}
		return call.notify(req)
	})
	if err != nil {
		return unavailable(version)
	}
	defer p.end()
	m.finish(ctx, call, <-p.outcome)
	return nil
}

// newCall makes a call that is answered on w.
func (m *modernEra) newCall(w http.ResponseWriter, id json.RawMessage, method string, cancel context.CancelCauseFunc) *modernCall {
	return &modernCall{id: id, info: m.identity().info, lists: &m.lists, method: method, w: w, cancel: cancel}
}

// finish answers call, and logs where a panic was.
func (m *modernEra) finish(ctx context.Context, call *modernCall, o outcome) {
	if stack := stackOf(call.finish(o.res, o.err)); stack != "" {
		m.log.LogAttrs(ctx, slog.LevelError, "panic in a handler", slog.String("method", call.method), slog.String("stack", stack))
	}
}

// note acts on a message that wants no answer, before the client is told that it
// was taken: what it sends next must not overtake it. Answers are answers to
// nothing: 2026-07-28 has no requests to the client.
func (m *modernEra) note(w http.ResponseWriter, r *http.Request, extra *mcp.RequestExtra, msg *message, n named) *refusal {
	if !msg.isResponse() {
		session, err := m.idle.get(kindFor(msg.method, ""))
		if err != nil {
			return unavailable(n.version)
		}
		note, ref := newNote(session.ServerSession, msg, extra)
		if ref != nil {
			return ref
		}
		_, _ = m.dispatcher.serve(r.Context(), note.method, note.req) // nobody can be told
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
