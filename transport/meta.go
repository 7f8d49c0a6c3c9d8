package transport

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/internal/strictjson"
)

// metaRules hold the _meta of modern calls against 2026-07-28. They remember
// what they found good last: a client says the same about itself in each call.
type metaRules struct {
	info         atomic.Pointer[string]
	capabilities atomic.Pointer[string]
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
	if info != nil && !decodes[mcp.Implementation](info, &r.info) {
		return "", badMeta(mcp.MetaKeyClientInfo)
	}
	if capabilities == nil || !decodes[mcp.ClientCapabilities](capabilities, &r.capabilities) {
		return "", badMeta(mcp.MetaKeyClientCapabilities)
	}
	if !slices.Contains(supported, n.version) {
		return "", unsupportedVersion(n.version, supported)
	}
	return level, nil
}

// decodes reports whether value is an object that decodes into a T.
func decodes[T any](value json.RawMessage, last *atomic.Pointer[string]) bool {
	if string(value) == "{}" {
		return true
	}
	if known := last.Load(); known != nil && *known == string(value) {
		return true
	}
	if value[0] != '{' || json.Unmarshal(value, new(T)) != nil {
		return false
	}
	if len(value) <= maxRemembered {
		s := string(value)
		last.Store(&s)
	}
	return true
}

// maxRemembered bounds what is remembered of a client, in bytes.
const maxRemembered = 4 << 10

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
