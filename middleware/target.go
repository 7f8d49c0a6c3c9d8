package middleware

import (
	"strings"
	"unicode/utf8"

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
	return clip(redact.String(clip(bareURI(t.raw), maxURI)), maxName)
}

// bareURI drops the parts of a URI that carry secrets by custom.
func bareURI(uri string) string {
	if i := strings.IndexAny(uri, "?#"); i >= 0 {
		uri = uri[:i]
	}
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	authority, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return scheme + "://" + rest[i+1:]
	}
	return uri
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

// clip bounds s to n bytes of valid UTF-8, with a mark where it was cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	s = s[:n-len(mark)]
	for i := 0; i < utf8.UTFMax && s != ""; i++ {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + mark
}
