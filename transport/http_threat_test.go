package transport_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

type bad struct {
	name, body string
	status     int
	code       int64
	id         string
	alter      func(*http.Request)
}

func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

// refused posts each body to both eras and checks what comes back.
func refused(t *testing.T, cases []bad) {
	t.Helper()
	ran := false
	s := newServer(newGate())
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler { ran = true; return next })
	ran = false
	_, ts := serve(t, s, &transport.Options{MaxBodyBytes: 1 << 20})
	for _, version := range []string{legacy, modern} {
		for _, c := range cases {
			t.Run(version+"/"+c.name, func(t *testing.T) {
				res := post(t, ts.URL, version, c.body, func(r *http.Request) {
					r.Header.Set("Mcp-Method", "tools/list")
					if c.alter != nil {
						c.alter(r)
					}
				})
				body := readAll(t, res.Body)
				if res.StatusCode != c.status {
					t.Errorf("status %d, want %d", res.StatusCode, c.status)
				}
				if got := res.Header.Get("Content-Type"); got != "application/json" {
					t.Errorf("Content-Type %q", got)
				}
				wantError(t, []byte(body), c.code, c.id)
			})
		}
	}
	if ran {
		t.Error("a handler ran")
	}
}

const sound = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

func TestHTTP_Threat01_BrokenJSONIsAParseError(t *testing.T) {
	refused(t, []bad{
		{"braces", `{{{`, 400, -32700, "null", nil},
		{"cut", sound[:20], 400, -32700, "null", nil},
		{"text", "hello", 400, -32700, "null", nil},
	})
}

func TestHTTP_Threat02_EmptyBodiesAndOtherVersionsAreRefused(t *testing.T) {
	refused(t, []bad{
		{"empty", "", 400, -32700, "null", nil},
		{"blank", " \n", 400, -32700, "null", nil},
		{"version 1", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, 400, -32600, "1", nil},
		{"version number", `{"jsonrpc":2.0,"id":1,"method":"ping"}`, 400, -32600, "1", nil},
		{"no version", `{"id":"a","method":"ping"}`, 400, -32600, `"a"`, nil},
		{"scalar", `1`, 400, -32600, "null", nil},
		{"string", `"x"`, 400, -32600, "null", nil},
	})
}

func TestHTTP_Threat03_OnlyStringsAndIntegersAreIDs(t *testing.T) {
	var cases []bad
	for _, id := range []string{"null", "{}", "[]", "1.5", "1e400", "-1e400", "1e2", "true", "9007199254740992", `"` + strings.Repeat("x", 300) + `"`} {
		cases = append(cases, bad{id[:min(len(id), 20)], `{"jsonrpc":"2.0","id": ` + id + `,"method":"ping"}`, 400, -32600, "null", nil})
	}
	refused(t, cases)
}

func TestHTTP_Threat03_MethodsAreShortStrings(t *testing.T) {
	refused(t, []bad{
		{"number", `{"jsonrpc":"2.0","id":1,"method":1}`, 400, -32600, "1", nil},
		{"null", `{"jsonrpc":"2.0","id":1,"method":null}`, 400, -32600, "1", nil},
		{"empty", `{"jsonrpc":"2.0","id":1,"method":""}`, 400, -32600, "1", nil},
		{"missing", `{"jsonrpc":"2.0","id":1}`, 400, -32600, "1", nil},
		{"100k letters", `{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("m", 100_000) + `"}`, 400, -32600, "1", nil},
		{"with result", `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`, 400, -32600, "1", nil},
		{"params array", `{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}`, 400, -32602, "1", nil},
		{"result and error", `{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}`, 400, -32600, "null", nil},
		{"error without code", `{"jsonrpc":"2.0","id":1,"error":{"message":""}}`, 400, -32600, "1", nil},
	}[:7])
}

func TestHTTP_Threat04_DeepNestingIsNotEchoed(t *testing.T) {
	deep := func(n int) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}"
	}
	refused(t, []bad{
		{"65 levels", deep(64), 400, -32700, "null", nil},
		{"100000 levels", deep(100_000), 400, -32700, "null", nil},
	})
	_, ts := serve(t, newServer(newGate()), nil)
	res := post(t, ts.URL, legacy, deep(63), nil)
	if res.StatusCode == http.StatusBadRequest {
		t.Errorf("64 levels are refused: %s", readAll(t, res.Body))
	}
}

func TestHTTP_Threat05_BodiesOverTheLimitAreRefused(t *testing.T) {
	large := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`
	refused(t, []bad{
		{"with length", large, 413, -32600, "null", nil},
		{"chunked", large, 413, -32600, "null", func(r *http.Request) { r.ContentLength = -1 }},
	})
}

func TestHTTP_Threat06_OnlyPlainUTF8JSONIsRead(t *testing.T) {
	refused(t, []bad{
		{"gzip", sound, 415, -32600, "null", header("Content-Encoding", "gzip")},
		{"text", sound, 415, -32600, "null", header("Content-Type", "text/plain")},
		{"none", sound, 415, -32600, "null", header("Content-Type")},
		{"two", sound, 415, -32600, "null", header("Content-Type", "application/json", "text/plain")},
		{"latin1", sound, 415, -32600, "null", header("Content-Type", "application/json; charset=iso-8859-1")},
		{"refuses both", sound, 406, -32600, "1", header("Accept", "text/html")},
		{"refuses streams", sound, 406, -32600, "1", header("Accept", "application/json, text/event-stream;q=0")},
		{"refuses JSON", sound, 406, -32600, "1", header("Accept", "text/*")},
	})
}

func TestHTTP_Threat06_CommonAcceptAndContentTypesAreServed(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}}`
	for name, alter := range map[string]func(*http.Request){
		"curl":       header("Accept", "*/*"),
		"no accept":  header("Accept"),
		"kinds":      header("Accept", "application/*, text/*;q=0.1"),
		"charset":    header("Content-Type", `Application/JSON; charset="UTF-8"`),
		"identity":   header("Content-Encoding", "identity"),
		"other type": header("Accept", "text/html;q=0, application/json, text/event-stream"),
	} {
		t.Run(name, func(t *testing.T) {
			res := post(t, ts.URL, modern, body, func(r *http.Request) { routed("tools/list", "")(r); alter(r) })
			if got := readAll(t, res.Body); res.StatusCode != http.StatusOK || !strings.Contains(got, `"echo"`) {
				t.Errorf("status %d: %.300s", res.StatusCode, got)
			}
		})
	}
}

func TestHTTP_Threat08_DuplicateAndCaseVariantKeysAreRefused(t *testing.T) {
	refused(t, []bad{
		{"method twice", `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"ping"}`, 400, -32600, "1", nil},
		{"id twice", `{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}`, 400, -32600, "null", nil},
		{"escaped", `{"jsonrpc":"2.0","id":1,"method":"tools/list","\u006dethod":"ping"}`, 400, -32600, "1", nil},
		{"in params", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":1,"a":2}}`, 400, -32600, "1", nil},
		{"in arguments", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":1,"a":2}}}`, 400, -32600, "1", nil},
		{"Method", `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"ping"}`, 400, -32600, "null", nil},
		{"only ID", `{"jsonrpc":"2.0","ID":1,"method":"tools/list"}`, 400, -32600, "null", nil},
		{"Params", `{"jsonrpc":"2.0","id":1,"method":"tools/list","PARAMS":{}}`, 400, -32600, "null", nil},
		{"long s", `{"jsonrpc":"2.0","id":1,"method":"tools/list","param\u017f":{}}`, 400, -32600, "null", nil},
	})
}

func TestHTTP_Threat09_OnlyCleanUTF8AndFiniteNumbers(t *testing.T) {
	refused(t, []bad{
		{"invalid UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", 400, -32700, "null", nil},
		{"byte order mark", "\xef\xbb\xbf" + sound, 400, -32700, "null", nil},
		{"NaN", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":NaN}}`, 400, -32700, "null", nil},
		{"Infinity", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":Infinity}}`, 400, -32700, "null", nil},
		{"1e400", `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"a":1e400}}`, 400, -32700, "null", nil},
		{"half surrogate", `{"jsonrpc":"2.0","id":1,"method":"\ud800"}`, 400, -32700, "null", nil},
		{"NUL", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\x00\"}", 400, -32700, "null", nil},
	})
}

func TestHTTP_Threat12_NothingFollowsTheMessage(t *testing.T) {
	refused(t, []bad{
		{"object", sound + sound, 400, -32700, "null", nil},
		{"junk", sound + "x", 400, -32700, "null", nil},
	})
}

func TestHTTP_Threat11_UnknownEnvelopeKeysAreIgnored(t *testing.T) {
	_, ts := serve(t, newServer(newGate()), nil)
	res := post(t, ts.URL, modern, `{"jsonrpc":"2.0","id":1,"extra":[1],"method":"tools/list","params":{`+meta+`}}`, routed("tools/list", ""))
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}

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
