package transport_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
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
	var ran atomic.Bool
	s := newServer(newGate())
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			ran.Store(true)
			return next(ctx, method, req)
		}
	})
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
	if ran.Load() {
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
	res := post(t, ts.URL, legacy, deep(63), inSession(open(t, ts.URL, nil)))
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
