package middleware

import (
	"context"
	"math/rand/v2"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// RequestIDMetaKey is the _meta entry of a request in which a caller may name
// it, and RequestIDHeader is the HTTP header that does the same.
const (
	RequestIDMetaKey = "io.github.trestle-mcp/requestId"
	RequestIDHeader  = "X-Request-Id"
)

const maxRequestID = 128

// RequestID puts an id for the call into the context: the one that is there
// already, since only the server itself can have put it; else the caller's,
// from _meta or the HTTP header, if it is 1 to 128 characters of
// A–Z a–z 0–9 . _ : -; else a new random one of 128 bits.
//
// An id of the caller's is a claim: it joins logs, and proves nothing.
func RequestID() mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if RequestIDFrom(ctx) == "" {
				id := claimedID(req)
				if id == "" {
					id = newID()
				}
				ctx = &record{Context: ctx, id: id, req: req}
			}
			return next(ctx, method, req)
		}
	}
}

// newID returns 128 random bits in the alphabet of RFC 4648, section 6. They
// only have to differ: an id proves nothing, so it need not be hard to guess.
func newID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var id [26]byte
	for i, bits := 0, rand.Uint64(); i < 13; i, bits = i+1, bits>>5 { //nolint:gosec // as said
		id[i] = alphabet[bits%32]
	}
	for i, bits := 13, rand.Uint64(); i < 26; i, bits = i+1, bits>>5 { //nolint:gosec // as said
		id[i] = alphabet[bits%32]
	}
	return string(id[:])
}

type requestIDKey struct{}

// idContext is what context.WithValue makes, in one allocation.
type idContext struct {
	context.Context
	id string
}

func (c *idContext) Value(key any) any {
	if key == (requestIDKey{}) {
		return &c.id
	}
	return c.Context.Value(key)
}

// WithRequestID returns a context in which id names the call. It is for
// transports that gave the request an id before the middleware ran; id is
// logged and sent to the caller as it is.
func WithRequestID(ctx context.Context, id string) context.Context {
	return &idContext{ctx, id}
}

// RequestIDFrom returns the id of the call, or "" if it has none.
func RequestIDFrom(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(*string); ok { // a string would be copied each time
		return *id
	}
	return ""
}

func claimedID(req mcp.Request) string {
	if req == nil {
		return ""
	}
	if p := req.GetParams(); !isNil(p) {
		if id, _ := p.GetMeta()[RequestIDMetaKey].(string); validID(id) {
			return id
		}
	}
	if extra := req.GetExtra(); extra != nil {
		if id := extra.Header.Get(RequestIDHeader); validID(id) {
			return id
		}
	}
	return ""
}

func validID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}
