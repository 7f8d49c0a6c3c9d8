package transport

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// serveIndirect serves what is no method of modernEra.serve: notifications,
// subscriptions, custom methods, and methods that are none.
func (h *HTTPHandler) serveIndirect(w http.ResponseWriter, r *http.Request, m *message, n named) *refusal {
	if !m.isCall() {
		return h.direct.note(w, r, m, n)
	}
	if strings.HasPrefix(m.method, "notifications/") {
		return invalidRequest("a notification has no id")
	}
	if _, ref := h.dispatcher.rules.check(n, h.direct.identity().versions); ref != nil {
		return ref
	}
	if m.method == methodListen {
		return h.serveListen(w, r, m, n.version)
	}
	return h.direct.pass(w, r, m, n.version)
}

// pass serves a call in a session of its own, through go-sdk's loop. That also
// refuses methods that nobody has.
func (m *modernEra) pass(w http.ResponseWriter, r *http.Request, msg *message, version string) *refusal {
	call := m.newCall(w, r, msg)
	if ref := m.calls.begin(&call.exchange, version); ref != nil {
		return ref
	}
	defer m.calls.end(&call.exchange)
	defer call.leave()
	p, err := m.dispatcher.pass(&call.ctx, msg, &call.extra, func(ctx context.Context, req *jsonrpc.Request) error {
		if c, _ := ctx.Value(modernCallKey{}).(*modernCall); c != call {
			return errNoStream
		}
		return call.notify(req)
	})
	if err != nil {
		return unavailable(version)
	}
	defer p.end()
	m.finish(call, <-p.outcome)
	return nil
}

// finish answers call, and logs where a panic was.
func (m *modernEra) finish(call *modernCall, o outcome) {
	if stack := stackOf(call.finish(o.res, o.err)); stack != "" {
		m.log.LogAttrs(&call.ctx, slog.LevelError, "panic in a handler", slog.String("method", call.method), slog.String("stack", stack))
	}
}

// note acts on a message that wants no answer, before the client is told that it
// was taken: what it sends next must not overtake it. Answers are answers to
// nothing: 2026-07-28 has no requests to the client.
func (m *modernEra) note(w http.ResponseWriter, r *http.Request, msg *message, n named) *refusal {
	if !msg.isResponse() {
		session, err := m.idle.get(kindFor(msg.method, ""))
		if err != nil {
			return unavailable(n.version)
		}
		extra := &mcp.RequestExtra{TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: r.Header}
		note, ref := newNote(session.ServerSession, msg, extra)
		if ref != nil {
			return ref
		}
		_, _ = m.dispatcher.serve(r.Context(), note.method, note.req) // nobody can be told
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
