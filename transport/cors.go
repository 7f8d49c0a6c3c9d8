package transport

import (
	"net/http"
	"strings"
)

// corsHeaders is what a page's script may send, besides Mcp-Param-*.
const corsHeaders = "Accept, Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, MCP-Protocol-Version, Mcp-Session-Id"

// allowOrigin lets pages of an allowed origin read the answer. Credentials of
// the browser, such as cookies, are never asked for.
func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Mcp-Session-Id, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate")
}

// preflight answers the question a browser asks before it sends a request.
func preflight(w http.ResponseWriter, r *http.Request) {
	allowed := corsHeaders
	for name := range strings.SplitSeq(r.Header.Get("Access-Control-Request-Headers"), ",") {
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		if strings.HasPrefix(name, headerParam) && isToken(name) && len(allowed)+len(name) < 4<<10 {
			allowed += ", " + name
		}
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", allowed)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

func isToken(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}
