package transport

import (
	"net/http"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/timerqueue"
)

// modernEra serves calls of 2026-07-28 on their request's goroutine, through
// the SDK's method handler.
type modernEra struct {
	dispatcher *dispatcher
	idle       *idleSessions
	tools      *knownTools
	lists      catalog
	calls      *calls
	writes     *timerqueue.Queue // how long a write may take; nil: for ever
	*settings

	ready atomic.Pointer[identity]
}

func newModernEra(d *dispatcher, s *settings, c *calls, writes *timerqueue.Queue) *modernEra {
	m := &modernEra{lists: catalog{modern: true}, dispatcher: d, settings: s, tools: newKnownTools(), calls: c, writes: writes}
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
func (m *modernEra) serve(w http.ResponseWriter, r *http.Request, msg *message, n named) (done bool, _ *refusal) {
	level, ref := m.dispatcher.rules.check(n, m.identity().versions)
	if ref != nil {
		return true, ref
	}
	session, err := m.idle.get(kindFor(msg.method, level))
	if err != nil {
		return true, unavailable(n.version)
	}
	call := m.newCall(w, r, msg)
	req, ref := m.dispatcher.request(session.ServerSession, msg.method, msg.params, &call.extra)
	if ref != nil {
		return true, ref
	}
	if ref := m.calls.begin(&call.exchange, n.version); ref != nil {
		return true, ref
	}
	defer m.calls.end(&call.exchange)
	defer call.leave()
	if tool, ok := req.(*mcp.CallToolRequest); ok {
		ref, ok := m.tools.check(&call.ctx, m.dispatcher, tool, m.principal)
		if !ok {
			return call.leave(), nil
		}
		if ref != nil {
			m.log.LogAttrs(r.Context(), levelRefused, "request refused", refusedAttrs(ref)...)
			call.refuse(ref)
			return true, nil
		}
	}
	before := m.tools.headers.Load()
	res, err := m.dispatcher.serve(&call.ctx, msg.method, req)
	if list, ok := res.(*mcp.ListToolsResult); ok && err == nil {
		m.tools.learn(before, list.Tools)
	}
	m.finish(call, outcome{res, err})
	return true, nil
}
