package transport

import (
	"context"
	"encoding/json"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A note is a message that wants no answer: a notification, or the answer to a
// request of the server's.
type note struct {
	method   string
	req      mcp.Request     // of a notification
	canceled json.RawMessage // id of the request that is canceled
	answer   *jsonrpc.Response
}

// newNote decodes m.
func newNote(s *mcp.ServerSession, m *message, extra *mcp.RequestExtra) (*note, *refusal) {
	n := &note{method: m.method}
	switch m.method {
	case "":
		n.answer = &jsonrpc.Response{ID: sdkID(m.id), Result: m.result}
		if m.err != nil {
			wire, _ := m.wireError() // it was checked
			n.answer.Error, n.answer.Result = wire, nil
		}
		return n, nil
	case "notifications/initialized":
		p, ref := noteParams[mcp.InitializedParams](m)
		n.req = &mcp.InitializedRequest{Session: s, Params: p, Extra: extra}
		return n, ref
	case "notifications/roots/list_changed":
		p, ref := noteParams[mcp.RootsListChangedParams](m)
		n.req = &mcp.RootsListChangedRequest{Session: s, Params: p, Extra: extra}
		return n, ref
	case "notifications/progress":
		p, ref := noteParams[mcp.ProgressNotificationParams](m)
		n.req = &mcp.ProgressNotificationServerRequest{Session: s, Params: p, Extra: extra}
		return n, ref
	case "notifications/cancelled":
		p, ref := noteParams[mcp.CancelledParams](m)
		n.req = &mcp.ServerRequest[*mcp.CancelledParams]{Session: s, Params: p, Extra: extra}
		var id struct {
			RequestID json.RawMessage `json:"requestId"`
		}
		if json.Unmarshal(m.params, &id) == nil && isID(id.RequestID) {
			n.canceled = id.RequestID
		}
		return n, ref
	}
	return nil, methodNotFound()
}

func noteParams[T any](m *message) (*T, *refusal) {
	p := new(T)
	if m.params != nil && json.Unmarshal(m.params, p) != nil {
		return nil, invalidParams("params do not fit the method")
	}
	return p, nil
}

// note acts on notes in their order and returns when the handlers have: what
// the client sends after the answer must not overtake them, and a flood waits
// for itself instead of filling a queue.
func (h *HTTPHandler) note(ctx context.Context, s *session, notes []*note) {
	for _, n := range notes {
		if n.answer != nil {
			if s.claims(n.answer) {
				s.push(n.answer) // a session that ends needs it no more
			}
			continue
		}
		if n.canceled != nil {
			if c := s.find(n.canceled); c != nil {
				c.end(nil)
			}
		}
		_, err := h.dispatcher.serve(context.WithoutCancel(ctx), n.method, n.req)
		if err == nil && s.kept != nil && n.method == "notifications/initialized" {
			s.kept.initialized(ctx)
		} // else nobody can be told
	}
}
