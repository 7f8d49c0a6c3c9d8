package transport

import (
	"net/http"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// assumedVersion is the protocol version of a legacy request that names none
// and has no session that knows (2025-11-25, "Protocol Version Header").
const assumedVersion = "2025-03-26"

// forgetSessions undoes what only sessions need.
func (s *settings) forgetSessions() {
	s.store, s.idle = nil, 0
	s.maxSessions, s.maxOwner = 0, 0
	s.opened, s.closed = nil, nil
}

// serveStateless serves messages that belong to no session.
func (h *HTTPHandler) serveStateless(w http.ResponseWriter, r *http.Request, messages []*message, batch bool, version string) *refusal {
	if version == "" {
		version = assumedVersion
	}
	// Nobody was asked anything.
	messages = slices.DeleteFunc(messages, (*message).isResponse)
	s, ref := h.shared.sessionFor(messages, version)
	if ref != nil {
		return ref
	}
	return h.serveMessages(w, r, s, messages, batch)
}

func isSubscription(method string) bool {
	return method == "resources/subscribe" || method == "resources/unsubscribe"
}

// errNoUpdates refuses what would be promised in vain.
var errNoUpdates = refuse(http.StatusOK, jsonrpc.CodeMethodNotFound, mcperrors.NotFound,
	"this server keeps no sessions, so it cannot send updates of resources").err
