package transport

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/trestle-mcp/trestle/internal/era"
)

// Header names as net/http spells them.
const (
	headerVersion = "Mcp-Protocol-Version"
	headerSession = "Mcp-Session-Id"
	headerMethod  = "Mcp-Method"
	headerName    = "Mcp-Name"
	headerParam   = "Mcp-Param-" // a prefix
	headerEventID = "Last-Event-Id"
)

// first is the value of a header, which is spelled as above: Header.Get spells
// it anew each time.
func first(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// maxVersion bounds a protocol version, and maxEventID a Last-Event-ID.
const (
	maxVersion = 64
	maxEventID = 256
)

// checkSingle refuses a second value of a header that must have one: two
// readers could take different ones.
func checkSingle(h http.Header) *refusal {
	modern := false
	for _, version := range h[headerVersion] {
		modern = modern || era.IsModern(version)
		if len(version) > maxVersion {
			return invalidRequest("the protocol version is too long")
		}
	}
	for name, values := range h {
		if len(values) < 2 {
			continue
		}
		switch {
		case name == headerVersion, name == headerMethod, name == headerName, strings.HasPrefix(name, headerParam):
			if modern {
				return headerMismatch("more than one header " + clip(name))
			}
		case name == headerSession, name == headerEventID, name == "Authorization":
		default:
			continue
		}
		return invalidRequest("more than one header " + clip(name))
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), 64)] }

// checkVersion refuses a body that claims another protocol version than the
// header, when one of them is modern. go-sdk checks the rest.
func checkVersion(header, body string) *refusal {
	if body == "" || body == header || (!era.IsModern(header) && !era.IsModern(body)) {
		return nil
	}
	return headerMismatch("MCP-Protocol-Version differs from the version in _meta")
}

// checkRouting refuses a modern message whose Mcp-Method and Mcp-Name do not
// say what its body says.
func checkRouting(h http.Header, m *message, n named) *refusal {
	if first(h, headerMethod) != m.method {
		return headerMismatch("Mcp-Method is missing or differs from the method")
	}
	want := n.name
	switch m.method {
	case "resources/read":
		want = n.uri
	case "tools/call", "prompts/get":
	default:
		return nil
	}
	name, err := decodeHeader(first(h, headerName))
	if err != nil {
		return headerMismatch("Mcp-Name is in bad base64")
	}
	if name == "" || name != string(want) {
		return headerMismatch("Mcp-Name is missing or differs from the body")
	}
	return nil
}

// decodeHeader undoes the encoding of values that no header can hold.
func decodeHeader(value string) (string, error) {
	encoded, ok := strings.CutPrefix(value, "=?base64?")
	if !ok {
		return value, nil
	}
	if encoded, ok = strings.CutSuffix(encoded, "?="); !ok {
		return value, nil
	}
	if i := strings.IndexAny(encoded, "\r\n"); i >= 0 {
		return "", base64.CorruptInputError(i) // which the decoder would skip
	}
	data, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return string(data), err
}

// allow refuses every method but those listed.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) *refusal {
	if slices.Contains(methods, r.Method) {
		return nil
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	ref := invalidRequest(fmt.Sprintf("the HTTP method must be one of %s", strings.Join(methods, ", ")))
	ref.status = http.StatusMethodNotAllowed
	return ref
}
