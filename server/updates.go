package server

import (
	"context"
	"runtime"
	"sync"
	"weak"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/auth"
)

// subscribers knows who subscribed in a session, for as long as there is the
// session. A nil principal is an anonymous caller.
type subscribers struct {
	who sync.Map // weak.Pointer[mcp.ServerSession] to *auth.Principal
}

// put remembers who subscribes. A session belongs to one caller, who may come with
// another token: what that grants counts from then on.
func (s *subscribers) put(session *mcp.ServerSession, who *auth.Principal) {
	key := weak.Make(session)
	if _, known := s.who.Swap(key, who); !known {
		runtime.AddCleanup(session, func(key weak.Pointer[mcp.ServerSession]) { s.who.Delete(key) }, key)
	}
}

// get returns who subscribed; ok is false if nobody did.
func (s *subscribers) get(session *mcp.ServerSession) (who *auth.Principal, ok bool) {
	v, ok := s.who.Load(weak.Make(session))
	who, _ = v.(*auth.Principal)
	return who, ok
}

// sendUpdates decides again about each update of a resource: since its caller
// subscribed the policy may have been replaced, a hook may think otherwise, or
// the operator's view may have changed. What may not be read any more is silent.
func (s *Server) sendUpdates(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
		if p, ok := req.GetParams().(*mcp.ResourceUpdatedNotificationParams); ok && p != nil && !s.mayHear(ctx, req, p.URI) {
			return nil, nil //nolint:nilnil // as after sending
		}
		return next(ctx, method, req)
	}
}

func (s *Server) mayHear(ctx context.Context, req mcp.Request, uri string) bool {
	action := auth.Action{Verb: auth.Read, Kind: auth.Resources, Name: uri}
	if e := s.names.now.Load().readable(uri); e != nil {
		if v := s.view.Load(); !v.all() && !v.shows(e.gate, uri) {
			return false
		}
		action.Need = e.gate.need
	}
	if s.opts.Policy == nil {
		return true
	}
	session, _ := req.GetSession().(*mcp.ServerSession)
	who, ok := s.subscribers.get(session)
	return ok && s.opts.Policy.Decide(ctx, who, action).Allowed()
}
