package transport_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/transport"
)

func TestHTTP_Threat13_ModernHeadersMustSayWhatTheBodySays(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},` + meta + `}}`
	long := strings.Repeat("n", 100_000)
	for _, c := range []struct {
		name, version string
		alter         func(*http.Request)
		status        int
		code          int64
	}{
		{"version missing", "", nil, 400, -32020},
		{"version older", legacy, nil, 400, -32020},
		{"version newer", "2027-01-01", nil, 400, -32020},
		{"method missing", modern, header("Mcp-Method"), 400, -32020},
		{"method lies", modern, header("Mcp-Method", "tools/list"), 400, -32020},
		{"method in capitals", modern, header("Mcp-Method", "TOOLS/CALL"), 400, -32020},
		{"method doubled", modern, header("Mcp-Method", "tools/call", "tools/call"), 400, -32020},
		{"name missing", modern, header("Mcp-Name"), 400, -32020},
		{"name lies", modern, header("Mcp-Name", "wait"), 400, -32020},
		{"name doubled", modern, header("Mcp-Name", "echo", "echo"), 400, -32020},
		{"name of 100000 letters", modern, header("Mcp-Name", long), 400, -32020},
		{"name in bad base64", modern, header("Mcp-Name", "=?base64?ZWNobw?="), 400, -32020},
		{"param doubled", modern, header("Mcp-Param-A", "1", "2"), 400, -32020},
		{"version doubled", modern, header("MCP-Protocol-Version", legacy, modern), 400, -32020},
		{"version of 1000 letters", modern, header("MCP-Protocol-Version", long[:1000]), 400, -32600},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := post(t, ts.URL, c.version, body, func(r *http.Request) {
				routed("tools/call", "echo")(r)
				if c.alter != nil {
					c.alter(r)
				}
			})
			if res.StatusCode != c.status {
				t.Errorf("status %d, want %d", res.StatusCode, c.status)
			}
			wantError(t, []byte(readAll(t, res.Body)), c.code, "1")
		})
	}
	t.Run("name in good base64", func(t *testing.T) {
		res := post(t, ts.URL, modern, body, routed("tools/call", "=?base64?ZWNobw==?="))
		if got := readAll(t, res.Body); res.StatusCode != http.StatusOK || !strings.Contains(got, `"result"`) {
			t.Errorf("status %d: %s", res.StatusCode, got)
		}
	})
}

func TestHTTP_Threat13_UnknownVersionsAreRefused(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	res := post(t, ts.URL, "2020-01-01", sound, nil)
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("old: status %d", res.StatusCode)
	}
	wantError(t, []byte(readAll(t, res.Body)), -32600, "1")
	newer := strings.ReplaceAll(meta, modern, "v999.0.0")
	res = post(t, ts.URL, "v999.0.0", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{`+newer+`}}`, routed("tools/list", ""))
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("newer: status %d", res.StatusCode)
	}
	e := wantError(t, []byte(readAll(t, res.Body)), -32022, "1")
	if e.Error.Data["requested"] != "v999.0.0" || e.Error.Data["supported"] == nil {
		t.Errorf("data %v", e.Error.Data)
	}
}

func TestHTTP_Threat14_BatchesAreLegacyAndCapped(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	ping := func(id int) string { return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, id) }
	many := make([]string, 33)
	for i := range many {
		many[i] = ping(i)
	}
	id := open(t, ts.URL, nil)
	for _, c := range []struct {
		name, version, body string
		id                  string
	}{
		{"2025-11-25", legacy, "[" + ping(1) + "]", "null"},
		{"2025-06-18", "2025-06-18", "[" + ping(1) + "]", "null"},
		{"modern", modern, "[" + ping(1) + "]", "null"},
		{"empty", "2025-03-26", "[]", "null"},
		{"33", "2025-03-26", "[" + strings.Join(many, ",") + "]", "null"},
		{"bad member", "2025-03-26", "[" + ping(1) + `,{"jsonrpc":"1.0","id":2,"method":"ping"}]`, "2"},
		{"scalar member", "2025-03-26", "[1]", "null"},
		{"same id", "2025-03-26", "[" + ping(1) + "," + ping(1) + "]", "1"},
		{"initialize", "2025-03-26", "[" + initialize() + "]", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := post(t, ts.URL, c.version, c.body, inSession(id))
			if res.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d", res.StatusCode)
			}
			wantError(t, []byte(readAll(t, res.Body)), -32600, c.id)
		})
	}
	res := post(t, ts.URL, "2025-03-26", "["+strings.Join(many[:32], ",")+"]", inSession(id))
	if got := readAll(t, res.Body); strings.Count(got, `"result"`) != 32 {
		t.Errorf("32 pings: %s", got)
	}
}

// Each with two readers who could take different ones, on every way in.
func TestHTTP_Threat14_ASecondHeaderIsRefusedByEveryMethodOfEachEra(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	session := open(t, ts.URL, nil)
	for _, c := range []struct {
		name string
		code int64 // of a modern request
	}{
		{"Origin", -32600},
		{"Mcp-Session-Id", -32600},
		{"Mcp-Protocol-Version", -32020},
		{"Mcp-Method", -32020},
		{"Mcp-Name", -32020},
		{"Mcp-Param-City", -32020},
	} {
		for _, version := range []string{legacy, modern} {
			for _, method := range []string{"POST", "GET", "DELETE"} {
				if version == modern && method != "POST" {
					continue
				}
				value, want := "http://localhost", int64(-32600)
				if version == modern {
					want = c.code
				}
				if c.name == "Mcp-Protocol-Version" {
					value = version
				}
				res := post(t, ts.URL, version, sound, func(r *http.Request) {
					r.Method = method
					inSession(session)(r)
					header(c.name, value, value)(r)
				})
				if res.StatusCode != http.StatusBadRequest {
					t.Errorf("two %s with a %s of %s: status %d", c.name, method, version, res.StatusCode)
				}
				id := "1"
				if method != "POST" || c.name == "Origin" {
					id = "null"
				}
				wantError(t, []byte(readAll(t, res.Body)), want, id)
			}
		}
	}
	if status := refusedCall(t, ts.URL, session); status != http.StatusOK { // no DELETE came through
		t.Errorf("the session: status %d", status)
	}
}

func TestHTTP_Threat14_SecondHeadersAreRefused(t *testing.T) {
	refused(t, []bad{
		{"Origin", sound, 400, -32600, "null", header("Origin", "http://localhost", "http://localhost")},
		{"Mcp-Session-Id", sound, 400, -32600, "1", header("Mcp-Session-Id", "a", "b")},
		{"Last-Event-ID", sound, 400, -32600, "1", header("Last-Event-ID", "a", "b")},
		{"Authorization", sound, 400, -32600, "1", header("Authorization", "Bearer a", "Bearer b")},
	})
}

func TestHTTP_Threat15_OnlyOwnHostsAndOriginsAreServed(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(ts.URL, "http://"))
	for _, c := range []struct {
		host, origin string
		ok           bool
	}{
		{"127.0.0.1:" + port, "", true},
		{"localhost:" + port, "", true},
		{"LOCALHOST", "", true},
		{"[::1]:" + port, "", true},
		{"127.8.9.1", "", true},
		{"evil.example.com", "", false},
		{"evil.example.com:" + port, "http://evil.example.com:" + port, false},
		{"localhost.evil.example.com", "", false},
		{"192.0.2.1", "", false},
		{"localhost:" + port, "http://localhost:" + port, true},
		{"localhost:" + port, "https://127.0.0.1:9", true},
		{"localhost:" + port, "http://evil.example.com", false},
		{"localhost:" + port, "http://localhost.evil.example.com", false},
		{"localhost:" + port, "null", false},
		{"localhost:" + port, "file://", false},
		{"localhost:" + port, "http://localhost@evil.example.com", false},
		{"localhost:" + port, "", true},
	} {
		for _, method := range []string{"POST", "GET", "DELETE", "OPTIONS", "PUT"} {
			t.Run(method+" "+c.host+" "+c.origin, func(t *testing.T) {
				res := post(t, ts.URL, "", sound, func(r *http.Request) {
					r.Method, r.Host = method, c.host
					if c.origin != "" {
						r.Header.Set("Origin", c.origin)
					}
				})
				if forbidden := res.StatusCode == http.StatusForbidden; forbidden == c.ok {
					t.Fatalf("status %d", res.StatusCode)
				}
				if !c.ok {
					wantError(t, []byte(readAll(t, res.Body)), 403, "null")
				}
				if res.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Error("CORS headers for an origin that is not listed")
				}
			})
		}
	}
}

func TestHTTP_Threat18_SessionsAreNeverAdoptedNorShared(t *testing.T) {
	alice := func(r *http.Request) { r.Header.Set("X-Who", "alice") }
	h, err := transport.NewHTTPHandler(newServer(newGate()), &transport.Options{Principal: whoFrom})
	if err != nil {
		t.Fatal(err)
	}
	ts := newTestServer(t, h, who(h))
	owned, anonymous := open(t, ts, alice), open(t, ts, nil)
	gone := open(t, ts, nil)
	res := post(t, ts, legacy, "", func(r *http.Request) { r.Method = "DELETE"; r.Header.Set("Mcp-Session-Id", gone) })
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("DELETE: status %d", res.StatusCode)
	}
	ask := func(session, as, method string) (int, string) {
		res := post(t, ts, legacy, sound, func(r *http.Request) {
			r.Method = method
			r.Header.Set("Mcp-Session-Id", session)
			if as != "" {
				r.Header.Set("X-Who", as)
			}
		})
		return res.StatusCode, readAll(t, res.Body)
	}
	for _, method := range []string{"POST", "GET", "DELETE"} {
		_, guessed := ask("GUESSED", "", method)
		for _, c := range [][2]string{{owned, "bob"}, {owned, ""}, {anonymous, "alice"}, {gone, ""}, {gone, "bob"}} {
			if status, body := ask(c[0], c[1], method); status != http.StatusNotFound || body != guessed {
				t.Errorf("%s as %q: %d %s, want 404 %s", method, c[1], status, body, guessed)
			}
		}
	}
	if status, _ := ask(owned, "alice", "POST"); status != http.StatusOK {
		t.Errorf("the owner: status %d", status)
	}
}

func TestHTTP_Threat35_ControlCharactersInAURIAreRefused(t *testing.T) {
	for _, uri := range []string{`test:\u0000`, `test:\n`, `test:\u007f`, `test:\u0085`, `test:\udb40\udc01`, "test:" + strings.Repeat("x", 1<<19)} {
		refused(t, []bad{
			{"read", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"` + uri + `"}}`, 400, -32602, "1", nil},
			{"complete", `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"` + uri + `"}}}`, 400, -32602, "1", nil},
			{"listen", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["` + uri + `"]}}}`, 400, -32602, "1", nil},
		})
	}
}

func TestHTTP_PlainTextErrorsOfTheSDKBecomeJSONRPCErrors(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	id := open(t, ts.URL, nil)
	for _, c := range []struct {
		name, body string
		status     int
		code       int64
		alter      func(*http.Request)
	}{
		{"unknown method", `{"jsonrpc":"2.0","id":7,"method":"no/such"}`, 400, -32601, inSession(id)},
		{"id for a notification", `{"jsonrpc":"2.0","id":7,"method":"notifications/initialized"}`, 400, -32600, inSession(id)},
		{"POST with Last-Event-ID", `{"jsonrpc":"2.0","id":7,"method":"ping"}`, 400, -32600, func(r *http.Request) { inSession(id)(r); r.Header.Set("Last-Event-ID", "x_1") }},
		{"unknown session", `{"jsonrpc":"2.0","id":7,"method":"ping"}`, 404, -32600, inSession("nope")},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := post(t, ts.URL, legacy, c.body, c.alter)
			if res.StatusCode != c.status {
				t.Errorf("status %d, want %d", res.StatusCode, c.status)
			}
			e := wantError(t, []byte(readAll(t, res.Body)), c.code, "7")
			if strings.Contains(e.Error.Message, "no/such") {
				t.Errorf("the method is repeated: %s", e.Error.Message)
			}
		})
	}
	for _, method := range []string{"PUT", "PATCH", "OPTIONS", "HEAD"} {
		res := post(t, ts.URL, "", "", func(r *http.Request) { r.Method = method })
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, POST, DELETE" {
			t.Errorf("%s: status %d, Allow %q", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	res := post(t, ts.URL, modern, "", func(r *http.Request) { r.Method = "GET" })
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
		t.Errorf("modern GET: status %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
	wantError(t, []byte(readAll(t, res.Body)), -32600, "null")
}

func TestHTTP_AnErrorAfterProgressIsAnEventOfTheStream(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"late","arguments":{},` + meta + `}}`
	res := post(t, ts.URL, modern, body, routed("tools/call", "late"))
	for line := range strings.SplitSeq(strings.TrimSpace(readAll(t, res.Body)), "\n") {
		if name, _, _ := strings.Cut(line, ":"); line != "" && name != "event" && name != "data" {
			t.Errorf("not an event stream: %q", line)
		}
	}
}

// The last Host is remembered; that of another request, or address, is not.
func TestHTTP_EachHostIsJudgedByItself(t *testing.T) {
	open, closed := newHandler(t, newServer(newGate()), nil), newHandler(t, newServer(newGate()), &transport.Options{AllowedHosts: []string{"mcp.test"}})
	for range 2 {
		for _, c := range []struct {
			h           http.Handler
			host, local string
			want        int
		}{
			{open, "localhost", "127.0.0.1", 200},
			{open, "evil.test", "127.0.0.1", 403},
			{open, "localhost:80", "127.0.0.1", 200},
			{open, "localhost:x", "127.0.0.1", 403},
			{open, "192.0.2.1", "192.0.2.1", 200},
			{open, "192.0.2.1", "192.0.2.2", 403},
			{closed, "mcp.test", "127.0.0.1", 200},
			{closed, "localhost", "127.0.0.1", 403},
			{closed, "192.0.2.1", "192.0.2.1", 403},
			{closed, "mcp.test", "127.0.0.1", 200},
		} {
			w := play(t, c.h, "", initialize(), func(r *http.Request) {
				r.Host = c.host
				*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(c.local)}))
			})
			if w.Code != c.want {
				t.Errorf("%s at %s: status %d, want %d", c.host, c.local, w.Code, c.want)
			}
		}
	}
}
