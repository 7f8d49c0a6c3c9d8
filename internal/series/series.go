// Package series folds calls into a bounded number of series, for metrics:
// what a caller makes up never becomes a label.
package series

import (
	"maps"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
)

// Other is the method or the name of what is not known.
const Other = "_other"

const maxName = 128 // in bytes

// A Key is a method, and the name of a tool or prompt if the method is about one.
type Key struct{ Method, Name string }

// KeyOf returns what a call is about, in the caller's words.
func KeyOf(method string, req mcp.Request) Key {
	switch method {
	case "tools/call":
		if r, ok := req.(*mcp.CallToolRequest); ok && r != nil && r.Params != nil {
			return Key{method, r.Params.Name}
		}
	case "prompts/get":
		if r, ok := req.(*mcp.GetPromptRequest); ok && r != nil && r.Params != nil {
			return Key{method, r.Params.Name}
		}
	}
	return Key{Method: method}
}

// The protocol's own methods that clients send, which are known from the start.
var methods = map[string]bool{
	"initialize": true, "server/discover": true, "ping": true, "logging/setLevel": true,
	"tools/list": true, "tools/call": true, "prompts/list": true, "prompts/get": true,
	"resources/list": true, "resources/templates/list": true, "resources/read": true,
	"resources/subscribe": true, "resources/unsubscribe": true, "subscriptions/listen": true,
	"completion/complete": true, "notifications/initialized": true, "notifications/cancelled": true,
	"notifications/progress": true, "notifications/roots/list_changed": true,
}

// IsProtocol reports whether method is one of the protocol's own.
func IsProtocol(method string) bool { return methods[method] }

// A Table has one S for each key that is known. It is safe for concurrent use.
type Table[S any] struct {
	limit  int
	create func(Key) S

	known atomic.Pointer[map[Key]S]
	mu    sync.Mutex // who makes another
	names int        // that were learned
}

// NewTable returns a table that learns at most limit names of tools, prompts
// and methods of a server's own.
func NewTable[S any](limit int, create func(Key) S) *Table[S] {
	t := &Table[S]{limit: limit, create: create}
	t.known.Store(&map[Key]S{})
	return t
}

// Known returns the series of k, if it has one.
func (t *Table[S]) Known(k Key) (S, bool) {
	s, ok := (*t.known.Load())[k]
	return s, ok
}

// Of returns the series of a call that was about k. A name is learned from a
// call that shows that the server knows it: one that succeeded, or failed in
// a handler. Until then it is Other.
func (t *Table[S]) Of(k Key, failed bool, code mcperrors.Code) S {
	if s, ok := t.Known(k); ok {
		return s
	}
	learn := !failed || proves(code)
	t.mu.Lock()
	defer t.mu.Unlock()
	if k.Name != "" || !methods[k.Method] {
		switch {
		case learn && t.names < t.limit && sound(k):
			if _, ok := t.Known(k); !ok {
				t.names++
			}
		case methods[k.Method]:
			k.Name = Other
		default:
			k = Key{Other, ""}
		}
	}
	if s, ok := t.Known(k); ok {
		return s
	}
	s := t.create(k)
	grown := maps.Clone(*t.known.Load())
	grown[k] = s
	t.known.Store(&grown)
	return s
}

// CodeOf returns the code of e as a label: "" for nil, and internal for what is
// none of ours.
func CodeOf(e *mcperrors.Error) mcperrors.Code {
	if e == nil {
		return ""
	}
	switch e.Code {
	case mcperrors.Validation, mcperrors.Unauthenticated, mcperrors.Authorization, mcperrors.NotFound, mcperrors.Conflict,
		mcperrors.RateLimited, mcperrors.Timeout, mcperrors.Unavailable, mcperrors.Exhausted, mcperrors.Canceled:
		return e.Code
	default:
		return mcperrors.Internal
	}
}

// proves reports whether only a handler fails so.
func proves(code mcperrors.Code) bool {
	switch code {
	case "", mcperrors.Conflict, mcperrors.Timeout, mcperrors.Internal:
		return true
	default:
		return false
	}
}

func sound(k Key) bool {
	return Sound(k.Method) && Sound(k.Name) && k.Name != Other && k.Method != Other
}

// Sound reports whether s can be a label. What is longer, or no text, is no
// name of a tool.
func Sound(s string) bool { return len(s) <= maxName && utf8.ValidString(s) }

// All returns every series there is.
func (t *Table[S]) All() map[Key]S { return *t.known.Load() }
