package transport_test

import (
	"fmt"
	"net/http"
	"strings"
)

// differentialTable is every method with good and bad parameters, in both eras,
// and every fault of an envelope and of a header.
func differentialTable() []exchange {
	return slicesOf(methodExchanges(), idExchanges(), envelopeExchanges(), headerExchanges(), argumentExchanges(), batchExchanges())
}

func slicesOf(lists ...[]exchange) (all []exchange) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// calls are parameters, without _meta, by method.
var calls = []struct{ method, params string }{
	{"tools/list", ``},
	{"tools/list", `"cursor":""`},
	{"tools/list", `"cursor":"nonsense"`},
	{"tools/list", `"cursor":5`},
	{"prompts/list", ``},
	{"resources/list", ``},
	{"resources/templates/list", ``},
	{"resources/list", `"cursor":"!"`},
	{"tools/call", `"name":"echo"`},
	{"tools/call", `"name":"echo","arguments":{"a":1}`},
	{"tools/call", `"name":"echo","arguments":null`},
	{"tools/call", `"name":"echo","arguments":{"b":[1,{"c":"é"}]}`},
	{"tools/call", `"name":"echo","unknown":1`},
	{"tools/call", `"name":"fail"`},
	{"tools/call", `"name":"plain"`},
	{"tools/call", `"name":"iserror"`},
	{"tools/call", `"name":"rich"`},
	{"tools/call", `"name":"nosuch"`},
	{"tools/call", `"name":5`},
	{"tools/call", `"name":""`},
	{"tools/call", ``},
	{"tools/call", `"name":"late"`},
	{"tools/call", `"name":"input","requestState":"s","inputResponses":{}`},
	{"tools/call", `"name":"input","requestState":5`},
	{"tools/call", `"name":"input","requestState":"s","inputResponses":{"k":{"action":"accept"}}`},
	{"tools/call", `"name":"input","requestState":"s","inputResponses":{"k":5}`},
	{"prompts/get", `"name":"p"`},
	{"prompts/get", `"name":"p","arguments":{"a":"x"}`},
	{"prompts/get", `"name":"p","arguments":{"a":1}`},
	{"prompts/get", `"name":"nosuch"`},
	{"prompts/get", ``},
	{"resources/read", `"uri":"test:a"`},
	{"resources/read", `"uri":"test:t/7"`},
	{"resources/read", `"uri":"test:t/%C3%A9"`},
	{"resources/read", `"uri":"test:nosuch"`},
	{"resources/read", `"uri":5`},
	{"resources/read", ``},
	{"completion/complete", `"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""}`},
	{"completion/complete", `"ref":{"type":"ref/nosuch"},"argument":{"name":"a","value":""}`},
	{"completion/complete", ``},
	{"ping", ``},
	{"logging/setLevel", `"level":"info"`},
	{"logging/setLevel", ``},
	{"resources/subscribe", `"uri":"test:a"`},
	{"resources/unsubscribe", `"uri":"test:a"`},
	{"server/discover", ``},
	{"unknown/method", ``},
	{"unknown/method", `"x":1`},
	{"", ``},
	{"Tools/Call", `"name":"echo"`},
	{"tools/call ", `"name":"echo"`},
	{"notifications/initialized", ``},
	{"notifications/progress", `"progressToken":1,"progress":1`},
	{"subscriptions/listen", `"notifications":{}`},
	{"subscriptions/listen", ``},
	{"initialize", ``},
}

// in returns a sound exchange of an era, with parameters that lack _meta.
func in(version, method, params, id string) exchange {
	e := exchange{version: version, name: strings.TrimSpace(fmt.Sprintf("%s %s {%s}", version, method, params))}
	if version == modern {
		params = strings.TrimPrefix(params+","+meta, ",")
		e.header = map[string]string{"Mcp-Method": method, "Mcp-Name": nameIn(params)}
	} else {
		e.session = true
	}
	if id != "" {
		id = `"id":` + id + ","
	}
	e.body = fmt.Sprintf(`{"jsonrpc":"2.0",%s"method":%q,"params":{%s}}`, id, method, params)
	return e
}

// nameIn returns the name or URI in parameters, for Mcp-Name.
func nameIn(params string) string {
	for _, key := range []string{`"name":"`, `"uri":"`} {
		if strings.HasPrefix(params, key) {
			name, _, _ := strings.Cut(params[len(key):], `"`)
			return name
		}
	}
	return ""
}

func methodExchanges() (all []exchange) {
	for _, version := range []string{"2025-03-26", "2025-06-18", legacy, modern} {
		for _, c := range calls {
			all = append(all, in(version, c.method, c.params, "1"))
		}
	}
	for _, version := range []string{legacy, modern} {
		e := in(version, "tools/call", `"name":"progress"`, "1")
		e.body = strings.Replace(e.body, `"name":"progress"`, `"name":"progress","_meta":{"progressToken":"t"}`, 1)
		if version == modern {
			e.body = strings.Replace(e.body, `"_meta":{"progressToken":"t"},"_meta":{`, `"_meta":{"progressToken":"t",`, 1)
		}
		e.name = version + " progress"
		all = append(all, e)
		for _, n := range []string{"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/nosuch", "tools/call"} {
			e := in(version, n, `"requestId":99,"progressToken":1,"progress":1`, "")
			e.name += " as a notification"
			all = append(all, e)
		}
	}
	return all
}

func idExchanges() (all []exchange) {
	for _, version := range []string{legacy, modern} {
		for _, id := range []string{
			`0`, `-1`, `"s"`, `""`, `"é\u00e9"`, `9007199254740991`, `null`, `1.5`, `1e400`, `true`, `[]`, `{}`, `"` + strings.Repeat("x", 300) + `"`, `9007199254740993`, `1.0`, `1e2`,
		} {
			e := in(version, "tools/list", "", id)
			e.name = fmt.Sprintf("%s id %.20s", version, id)
			all = append(all, e)
		}
	}
	return all
}

func envelopeExchanges() (all []exchange) {
	for _, version := range []string{legacy, modern} {
		sound := in(version, "tools/list", "", "1").body
		for name, body := range map[string]string{
			"empty": "", "blank": "  ", "broken": "{{{", "array of nothing": "[]", "string": `"x"`, "number": "1", "null": "null",
			"no jsonrpc": strings.Replace(sound, `"jsonrpc":"2.0",`, "", 1), "jsonrpc 1.0": strings.Replace(sound, `"2.0"`, `"1.0"`, 1),
			"jsonrpc number": strings.Replace(sound, `"2.0"`, `2.0`, 1), "no method": `{"jsonrpc":"2.0","id":1}`,
			"method number": `{"jsonrpc":"2.0","id":1,"method":5}`, "params array": `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}`,
			"params string": `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"x"}`, "params null": `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}`,
			"no params": `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "trailing": sound + "x", "two": sound + sound, "bom": "\ufeff" + sound,
			"bad utf-8": strings.Replace(sound, `"tools/list"`, "\"tools/list\xff\"", 1), "duplicate key": strings.Replace(sound, `"id":1`, `"id":1,"id":2`, 1),
			"case variant": strings.Replace(sound, `"method"`, `"Method"`, 1), "both": strings.Replace(sound, `"id":1`, `"id":1,"Method":"ping"`, 1),
			"unknown key": strings.Replace(sound, `"id":1`, `"id":1,"extra":{}`, 1), "result and method": strings.Replace(sound, `"id":1`, `"id":1,"result":{}`, 1),
			"deep":     strings.Replace(sound, `"params":{`, `"params":{"x":`+strings.Repeat("[", 70)+strings.Repeat("]", 70)+`,`, 1),
			"response": `{"jsonrpc":"2.0","id":77,"result":{}}`, "error response": `{"jsonrpc":"2.0","id":77,"error":{"code":1,"message":"x"}}`,
			"blanks around": " \n" + sound + "\n ", "escaped method": strings.Replace(sound, "tools/list", `tools\/list`, 1),
			"huge number": strings.Replace(sound, `"params":{`, `"params":{"x":1e400,`, 1), "nan": strings.Replace(sound, `"params":{`, `"params":{"x":NaN,`, 1),
		} {
			body = strings.Replace(body, ",}", "}", 1)
			e := in(version, "tools/list", "", "1")
			e.name, e.body = version+" envelope "+name, body
			all = append(all, e)
		}
	}
	return all
}

func headerExchanges() (all []exchange) {
	for _, version := range []string{legacy, modern} {
		for _, h := range []struct{ name, value string }{
			{"Content-Type", ""},
			{"Content-Type", "text/plain"},
			{"Content-Type", "application/json; charset=utf-8"},
			{"Content-Type", "application/json; charset=latin1"},
			{"Content-Type", "APPLICATION/JSON"},
			{"Content-Encoding", "gzip"},
			{"Content-Encoding", "identity"},
			{"Accept", ""},
			{"Accept", "application/json"},
			{"Accept", "text/event-stream"},
			{"Accept", "*/*"},
			{"Accept", "text/html"},
			{"Accept", "application/*, text/*"},
			{"Accept", "text/event-stream, application/json"},
			{"Accept", "application/json;q=0, text/event-stream"},
			{"Host", "evil.example.com"},
			{"Origin", "https://evil.example.com"},
			{"Origin", "null"},
			{"Last-Event-ID", "x_1"},
			{"MCP-Protocol-Version", ""},
			{"MCP-Protocol-Version", "1999-01-01"},
			{"MCP-Protocol-Version", "2099-01-01"},
			{"MCP-Protocol-Version", "nonsense"},
			{"Mcp-Session-Id", "guessed"},
			{"Mcp-Method", ""},
			{"Mcp-Method", "prompts/list"},
			{"Mcp-Method", "TOOLS/CALL"},
			{"Mcp-Name", ""},
			{"Mcp-Name", "late"},
			{"Mcp-Name", "=?base64?ZWNobw==?="},
			{"Mcp-Name", "=?base64?ZWNobw?="},
			{"Mcp-Param-X", "1"},
		} {
			if h.name == "Host" {
				continue // net/http keeps it apart; the edge's own tests have it
			}
			e := in(version, "tools/call", `"name":"echo"`, "1")
			headers := map[string]string{h.name: h.value}
			for k, v := range e.header {
				if _, set := headers[http.CanonicalHeaderKey(k)]; !set {
					headers[k] = v
				}
			}
			if _, set := headers["Mcp-Session-Id"]; set {
				e.session = false
			}
			e.name, e.header = fmt.Sprintf("%s header %s: %s", version, h.name, h.value), headers
			all = append(all, e)
		}
	}
	for name, sent := range map[string]string{
		"no meta": `{}`, "no version": `{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}`,
		"no capabilities":  `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`,
		"bad capabilities": `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":5}}`,
		"bad client":       `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":5}}`,
		"other version":    `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-29","io.modelcontextprotocol/clientCapabilities":{}}}`,
		"version number":   `{"_meta":{"io.modelcontextprotocol/protocolVersion":5,"io.modelcontextprotocol/clientCapabilities":{}}}`,
		"meta null":        `{"_meta":null}`, "meta array": `{"_meta":[]}`,
	} {
		e := in(modern, "tools/list", "", "1")
		e.name, e.body = "modern _meta "+name, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":%s}`, sent)
		all = append(all, e)
	}
	return all
}

func argumentExchanges() (all []exchange) {
	for _, version := range []string{legacy, modern} {
		for i, args := range []string{
			`{}`, `{"a":null}`, `{"a":"\u2028\ud83d\ude00"}`, `{"a":9007199254740993}`, `{"a":1.5e3,"b":-0}`, `{"a":{"b":{"c":[]}}}`, `[]`, `"x"`, `5`, `true`,
			`{"a":1,"a":2}`, `{"":1}`, `{"a b":1}`, ` { "a" : 1 } `,
		} {
			e := in(version, "tools/call", `"name":"echo","arguments":`+args, "1")
			e.name = fmt.Sprintf("%s arguments %d %s", version, i, args)
			all = append(all, e)
		}
	}
	return all
}

func batchExchanges() (all []exchange) {
	list := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`
	echo := `{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"echo"}}`
	note := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`
	for _, version := range []string{"", "2024-11-05", "2025-03-26", "2025-06-18", legacy, modern} {
		for name, body := range map[string]string{
			"one": "[" + list + "]", "two": "[" + list + "," + echo + "]", "with notification": "[" + note + "," + list + "]",
			"notifications": "[" + note + "," + note + "]", "same id": "[" + list + "," + list + "]", "not an object": "[1]",
		} {
			all = append(all, exchange{name: fmt.Sprintf("batch at %q: %s", version, name), version: version, session: version != modern, body: body})
		}
	}
	return all
}
