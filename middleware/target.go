package middleware

import (
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/redact"
)

// Bounds of what is logged or sent of a caller's own text, in bytes.
const (
	maxName      = 128
	maxPrincipal = 256
	maxURI       = 1 << 10
	maxCause     = 4 << 10
	maxMessage   = 4 << 10
)

// A target is what a call is about: a field key and the caller's name for it.
type target struct{ key, raw string }

func targetOf(req mcp.Request) target {
	if req == nil {
		return target{}
	}
	switch p := req.GetParams().(type) {
	case *mcp.CallToolParamsRaw:
		if p != nil {
			return target{"tool", p.Name}
		}
	case *mcp.GetPromptParams:
		if p != nil {
			return target{"prompt", p.Name}
		}
	case *mcp.ReadResourceParams:
		if p != nil {
			return target{"resource", p.URI}
		}
	case *mcp.SubscribeParams:
		if p != nil {
			return target{"resource", p.URI}
		}
	case *mcp.UnsubscribeParams:
		if p != nil {
			return target{"resource", p.URI}
		}
	}
	return target{}
}

// name returns what may be logged of the target.
func (t target) name() string {
	if t.key != "resource" {
		return clip(t.raw, maxName)
	}
	return redact.URI(t.raw, maxName)
}

// sessionOf returns the part of the session id that may be logged: the whole
// of it lets its reader join the session.
func sessionOf(req mcp.Request) string {
	if req == nil {
		return ""
	}
	ss, ok := req.GetSession().(*mcp.ServerSession)
	if !ok || ss == nil {
		return ""
	}
	id := ss.ID()
	return id[:min(8, len(id)/2)]
}

// clip is [redact.Clip].
func clip(s string, n int) string { return redact.Clip(s, n) }
