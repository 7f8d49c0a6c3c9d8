package transport

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// metaRules hold the _meta of modern calls against 2026-07-28. They remember
// what they found good, and what it is decoded: a client says the same about
// itself in each call.
type metaRules struct {
	info         aboutClients[mcp.Implementation]
	capabilities aboutClients[mcp.ClientCapabilities]
}

// check refuses a call that does not say enough about itself, and returns the
// log level that it asks for.
func (r *metaRules) check(n named, supported []string) (level mcp.LoggingLevel, _ *refusal) {
	if n.version == "" {
		return "", badMeta(mcp.MetaKeyProtocolVersion)
	}
	var info, capabilities json.RawMessage
	for key, value := range strictjson.Members(n.meta) {
		switch string(key) {
		case mcp.MetaKeyClientInfo:
			info = value
		case mcp.MetaKeyClientCapabilities:
			capabilities = value
		case mcp.MetaKeyLogLevel:
			s, _ := text(value)
			level = mcp.LoggingLevel(s)
		}
	}
	if info != nil && !r.info.learn(info) {
		return "", badMeta(mcp.MetaKeyClientInfo)
	}
	if capabilities == nil || !r.capabilities.learn(capabilities) {
		return "", badMeta(mcp.MetaKeyClientCapabilities)
	}
	if !slices.Contains(supported, n.version) {
		return "", unsupportedVersion(n.version, supported)
	}
	return level, nil
}

// value returns what was remembered of a member of _meta, or nil.
func (r *metaRules) value(key string, member json.RawMessage) any {
	switch key {
	case mcp.MetaKeyClientInfo:
		return r.info.value(member)
	case mcp.MetaKeyClientCapabilities:
		return r.capabilities.value(member)
	}
	return nil
}

// Bounds of what is remembered, in bytes and in number. Beyond that number it is
// forgotten and learned anew.
const (
	maxRemembered = 4 << 10
	maxClients    = 64
)

// aboutClients remembers objects that decode into a T, by how they are written.
type aboutClients[T any] struct {
	known atomic.Pointer[map[string]any]
}

// learn reports whether value is such an object.
func (a *aboutClients[T]) learn(value json.RawMessage) bool {
	if a.value(value) != nil {
		return true
	}
	if value[0] != '{' || json.Unmarshal(value, new(T)) != nil {
		return false
	}
	if len(value) > maxRemembered {
		return true
	}
	updated := map[string]any{string(value): decodeValue(value)}
	if before := a.known.Load(); before != nil && len(*before) < maxClients {
		maps.Copy(updated, *before)
	}
	a.known.Store(&updated) // of two that do this at once one is learned again
	return true
}

// value returns the decoded object, which its readers share, or nil.
func (a *aboutClients[T]) value(value json.RawMessage) any {
	if known := a.known.Load(); known != nil {
		return (*known)[string(value)]
	}
	return nil
}

func badMeta(key string) *refusal {
	return invalidParams("missing or invalid _meta field " + key)
}

func unsupportedVersion(requested string, supported []string) *refusal {
	ref := refuse(http.StatusBadRequest, mcp.CodeUnsupportedProtocolVersion, mcperrors.Validation, "unsupported protocol version")
	ref.err.Data, _ = json.Marshal(struct { //nolint:errchkjson // strings
		Type mcperrors.Code `json:"type"`
		mcp.UnsupportedProtocolVersionData
	}{mcperrors.Validation, mcp.UnsupportedProtocolVersionData{Supported: supported, Requested: requested}})
	return ref
}
