package transport

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// keptSession returns the session of r, in use until it is released. s is what
// is live here, or nil.
func (h *HTTPHandler) keptSession(r *http.Request, s *session, id, owner string, room int) (*session, *refusal) {
	for range 2 {
		if s == nil {
			var ref *refusal
			if s, ref = h.sessions.keeper.rebuild(r.Context(), id, owner); ref != nil {
				return nil, ref
			}
		}
		ref := s.use(room)
		if ref == nil {
			return s, h.confirm(r, s)
		}
		if ref.status != http.StatusNotFound {
			return nil, ref
		}
		s = nil // it ended at this moment, and perhaps only here
	}
	return nil, sessionNotFound()
}

// confirm releases s if it may not be used.
func (h *HTTPHandler) confirm(r *http.Request, s *session) *refusal {
	ref := s.kept.confirm(r.Context())
	if ref != nil {
		s.release()
		if ref.status == http.StatusNotFound {
			s.end(SessionGone)
		}
		return ref
	}
	if level, ok := s.kept.newLevel(); ok {
		_, _ = h.dispatcher.serve(r.Context(), "logging/setLevel", &mcp.ServerRequest[*mcp.SetLoggingLevelParams]{
			Session: s.sdk, Params: &mcp.SetLoggingLevelParams{Level: level},
			Extra: &mcp.RequestExtra{TokenInfo: auth.TokenInfoFromContext(r.Context()), Header: r.Header},
		}) // a middleware that refuses has refused the level
	}
	return nil
}

// deleteKept ends a session, wherever it is live.
func (h *HTTPHandler) deleteKept(w http.ResponseWriter, r *http.Request) *refusal {
	id := first(r.Header, headerSession)
	if id == "" {
		return invalidRequest("Mcp-Session-Id is missing")
	}
	k, owner := h.sessions.keeper, h.principal(r.Context())
	if len(id) > maxSessionID {
		return sessionNotFound()
	}
	key := recordKey(id, owner)
	_, err := k.load(r.Context(), key)
	none := errors.Is(err, ErrNoSession)
	if err == nil {
		err = k.delete(r.Context(), key)
	}
	if err != nil && !none {
		return storeFailed("") // nothing has changed
	}
	if s := h.sessions.find(id, owner); s != nil {
		if none {
			s.end(SessionGone)
			return sessionNotFound()
		}
		s.delete(r.Context())
	} else if none {
		return sessionNotFound()
	} else if h.store != nil {
		_ = h.store.SessionClosed(context.WithoutCancel(r.Context()), id) // the store has its own ways to forget
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// standalone begins the id of a standalone stream where sessions move. Each
// replica has one of its own, so that their events do not mix.
const standalone = "-"

func isStandalone(stream string) bool { return strings.HasPrefix(stream, standalone) }

// leftBehind returns the events that a standalone stream of another replica
// kept after the one with index after.
func (s *session) leftBehind(ctx context.Context, id string, after int) ([]byte, *refusal) {
	q := &queue{}
	st := &stream{s: s, id: id, opened: true, next: math.MaxInt, done: true}
	ref := st.replay(ctx, q, after)
	return q.events, ref
}
