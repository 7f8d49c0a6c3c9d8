package challenge_test

import (
	"net/http"
	"testing"

	"github.com/trestle-mcp/trestle/internal/challenge"
)

func TestHeader_SaysWhatWouldHelp(t *testing.T) {
	const doc = "https://mcp.example/.well-known/oauth-protected-resource"
	for name, c := range map[string]struct {
		status int
		sent   bool
		scopes []string
		doc    string
		want   string
	}{
		"nothing known":               {status: 401, want: `Bearer`},
		"no credentials":              {status: 401, scopes: []string{"read"}, doc: doc, want: `Bearer scope="read", resource_metadata="` + doc + `"`},
		"refused credentials":         {status: 401, sent: true, doc: doc, want: `Bearer error="invalid_token", resource_metadata="` + doc + `"`},
		"scopes, all at once":         {status: 403, sent: true, scopes: []string{"a:b", "c"}, want: `Bearer error="insufficient_scope", scope="a:b c"`},
		"a role is missing":           {status: 403, sent: true, doc: doc},
		"another status":              {status: 503, sent: true, scopes: []string{"a"}, doc: doc},
		"a scope cannot break out":    {status: 403, scopes: []string{`x", realm="y`, "a\r\nb", `\`, "ok", ""}, want: `Bearer error="insufficient_scope", scope="ok"`},
		"nor can the URL":             {status: 401, doc: "https://x/\"\r\n", want: `Bearer`},
		"only scopes that say naught": {status: 403, scopes: []string{"\x00"}, want: `Bearer error="insufficient_scope"`},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			challenge.Header(h, c.status, c.sent, c.scopes, c.doc)
			if got := h.Get("WWW-Authenticate"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
