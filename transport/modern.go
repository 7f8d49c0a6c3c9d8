package transport

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// modernEra serves calls of 2026-07-28 on their request's goroutine, through
// the SDK's method handler.
type modernEra struct {
	dispatcher *dispatcher
	idle       *idleSessions
	tools      *knownTools
	lists      catalog
	rules      metaRules
	inflight   *inflight
	*settings
	ready atomic.Pointer[identity]
}

func newModernEra(d *dispatcher, s *settings) *modernEra {
	m := &modernEra{lists: catalog{modern: true}, dispatcher: d, settings: s, tools: newKnownTools(), inflight: newInflight()}
	m.idle = &idleSessions{dispatcher: d, changed: m.tools.changed}
	return m
}

// identity returns what the server is, and keeps watching its tools.
func (m *modernEra) identity() *identity {
	if found := m.ready.Load(); found != nil {
		return found
	}
	found := m.idle.identity()
	m.ready.Store(found)
	return found
}

// noClose is what modern handlers find to close their stream with: there is
// nothing to resume.
func noClose(mcp.CloseSSEStreamArgs) {}

// serve answers the call msg. It is not done, and has written nothing, where
// the SDK has to serve it.
func (m *modernEra) serve(w http.ResponseWriter, r *http.Request, header http.Header, msg *message, n named) (done bool, _ *refusal) {
	server := m.identity()
	level, ref := m.rules.check(n, server.versions)
	if ref != nil {
		return true, ref
	}
	session, err := m.idle.get(kindFor(msg.method, level))
	if err != nil {
		return true, unavailable(n.version)
	}
	req, ref := m.dispatcher.request(session.ServerSession, msg.method, msg.params, &mcp.RequestExtra{
		TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: header, CloseSSEStream: noClose,
	})
	if ref != nil {
		return true, ref
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	call := &modernCall{
		id: msg.id, info: server.info, lists: &m.lists, method: msg.method, w: w, request: header,
		stream: prefersStream(header), cancel: cancel, challenger: m.challenger,
	}
	if !m.inflight.begin(call) {
		return true, unavailable(n.version)
	}
	defer m.inflight.end(call)
	defer call.leave()
	if tool, ok := req.(*mcp.CallToolRequest); ok {
		ref, ok := m.tools.check(ctx, m.dispatcher, tool, m.principal)
		if !ok {
			return call.leave(), nil
		}
		if ref != nil {
			m.log.LogAttrs(ctx, levelRefused, "request refused", refusedAttrs(ref)...)
			call.refuse(ref)
			return true, nil
		}
	}
	before := m.tools.headers.Load()
	res, err := m.dispatcher.serve(&modernContext{ctx, call}, msg.method, req)
	if list, ok := res.(*mcp.ListToolsResult); ok && err == nil {
		m.tools.learn(before, list.Tools)
	}
	if stack := stackOf(call.finish(res, err)); stack != "" {
		m.log.LogAttrs(ctx, slog.LevelError, "panic in a handler", slog.String("method", msg.method), slog.String("stack", stack))
	}
	return true, nil
}
