package challenge_test

import (
	"net/http"
	"regexp"
	"strings"
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
		"nothing known":               {status: 401, want: `Bearer realm="mcp"`},
		"no credentials":              {status: 401, scopes: []string{"read"}, doc: doc, want: `Bearer scope="read", resource_metadata="` + doc + `"`},
		"refused credentials":         {status: 401, sent: true, doc: doc, want: `Bearer error="invalid_token", resource_metadata="` + doc + `"`},
		"scopes, all at once":         {status: 403, sent: true, scopes: []string{"a:b", "c"}, want: `Bearer error="insufficient_scope", scope="a:b c"`},
		"a role is missing":           {status: 403, sent: true, doc: doc},
		"another status":              {status: 503, sent: true, scopes: []string{"a"}, doc: doc},
		"a scope cannot break out":    {status: 403, scopes: []string{`x", realm="y`, "a\r\nb", `\`, "ok", ""}, want: `Bearer error="insufficient_scope", scope="ok"`},
		"nor can the URL":             {status: 401, doc: "https://x/\"\r\n", want: `Bearer realm="mcp"`},
		"only scopes that say naught": {status: 403, scopes: []string{"\x00"}},
		"more than a header bears":    {status: 403, scopes: []string{strings.Repeat("s", 4<<10+1)}, want: `Bearer error="insufficient_scope"`},
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

// bearer is what RFC 9110 has for a challenge with quoted parameters.
var bearer = regexp.MustCompile(`^Bearer [a-z_]+="[ !#-\[\]-~]*"(, [a-z_]+="[ !#-\[\]-~]*")*$`)

func FuzzHeader(f *testing.F) {
	f.Add("a", "b c", "https://x", true)
	f.Add("a\r\nSet-Cookie: x=y", `"`, `\`, false)
	f.Add("\x00", "é", "\", error=\"", false)
	f.Fuzz(func(t *testing.T, one, two, metadata string, sent bool) {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
			h := http.Header{}
			challenge.Header(h, status, sent, []string{one, two}, metadata)
			got := h.Get("WWW-Authenticate")
			if got == "" && status == http.StatusForbidden && !challenge.ValidScope(one) && !challenge.ValidScope(two) {
				continue
			}
			if !bearer.MatchString(got) {
				t.Errorf("%q", got)
			}
		}
	})
}
