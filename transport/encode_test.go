package transport_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/internal/strictjson"
	"github.com/trestle-mcp/trestle/transport"
)

func encoded(t *testing.T, res mcp.Result, isModern bool, info string) map[string]any {
	t.Helper()
	data, err := transport.AppendResult(res, isModern, json.RawMessage(info))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Result map[string]any `json:"result"`
	}
	if err := json.Unmarshal(data, &m); err != nil || bytes.ContainsAny(data, "\n\r") {
		t.Fatalf("%v: %q", err, data)
	}
	return m.Result
}

func TestEncode_LegacyAddsNothing(t *testing.T) {
	for _, res := range []mcp.Result{
		&mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "x"}}},
		&mcp.ListToolsResult{Tools: []*mcp.Tool{}}, &mcp.DiscoverResult{}, &mcp.GetPromptResult{},
	} {
		want, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		got, err := transport.AppendResult(res, false, json.RawMessage(`{"name":"s"}`))
		if err != nil {
			t.Fatal(err)
		}
		wantJSON(t, string(got), `{"jsonrpc":"2.0","id":1,"result":`+string(want)+`}`)
	}
}

func TestEncode_ModernKeepsWhatTheResultSays(t *testing.T) {
	own := mcp.Meta{mcp.MetaKeyServerInfo: "own", "k": 1.0}
	var passed mcp.ListToolsResult
	if err := json.Unmarshal([]byte(`{"resultType":"complete","tools":[],"ttlMs":5,"cacheScope":"private"}`), &passed); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		res  mcp.Result
		meta mcp.Meta
	}{
		{&mcp.CallToolResult{Meta: own}, own},
		{&mcp.ListToolsResult{Meta: own}, own},
		{&mcp.ReadResourceResult{Meta: own, Contents: []*mcp.ResourceContents{}}, own},
		{&passed, mcp.Meta{mcp.MetaKeyServerInfo: "s"}},
		{&mcp.ListPromptsResult{Meta: mcp.Meta{"k": "v"}}, mcp.Meta{mcp.MetaKeyServerInfo: "s", "k": "v"}},
	} {
		got := encoded(t, c.res, true, `"s"`)
		if diff := cmp.Diff(any(map[string]any(c.meta)), got["_meta"]); diff != "" || got["resultType"] != "complete" {
			t.Errorf("%T: resultType %v, -want +got:\n%s", c.res, got["resultType"], diff)
		}
	}
}

func FuzzEncode_IsEncodingJSON(f *testing.F) {
	f.Add("text", `{"a": [1,2.50, "é<>"],`+"\n"+`"b":null}`, "key", "state", true, true)
	f.Add("\xff\u2028\"\\\x00\x1f", "", "", "", false, false)
	f.Add("", "[\r\n]", mcp.MetaKeyServerInfo, "\x7f", false, true)
	f.Fuzz(func(t *testing.T, text, raw, key, state string, isError, structured bool) {
		res := &mcp.CallToolResult{
			Content: []mcp.Content{&mcp.TextContent{Text: text}, &mcp.TextContent{Text: key, Meta: mcp.Meta{key: text}}, &mcp.ImageContent{Data: []byte(text), MIMEType: key}},
			IsError: isError, RequestState: state,
		}
		if structured {
			res.StructuredContent = json.RawMessage(raw)
		}
		if key != "" {
			res.Meta = mcp.Meta{key: text}
		}
		theirs, err := json.Marshal(res)
		ours, ourErr := transport.AppendResult(res, false, nil)
		if (err == nil) != (ourErr == nil) {
			t.Fatalf("encoding/json: %v, ours: %v", err, ourErr)
		}
		if err != nil {
			return
		}
		if bytes.ContainsAny(ours, "\r\n") {
			t.Fatalf("more than a line: %q", ours)
		}
		wantJSON(t, string(ours), `{"jsonrpc":"2.0","id":1,"result":`+string(theirs)+`}`)
		if got := encoded(t, res, true, `{"name":"s"}`); got["resultType"] != "complete" || got["_meta"] == nil {
			t.Errorf("modern: %v", got)
		}
	})
}

func FuzzDecode_IsEncodingJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,"é\u00e9\n",true,false,null,{}],"b":{"c":[]}}`))
	f.Add([]byte(` [ 1 , [ ] ] `))
	f.Fuzz(func(t *testing.T, data []byte) {
		if strictjson.Check(data, 64) != nil {
			return
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, transport.DecodeValue(bytes.TrimSpace(data))); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestDecode_TakesKeysAsTheyAreSpelled(t *testing.T) {
	req, err := transport.DecodeRequest("tools/call", json.RawMessage(`{"Name":"x","name":"y","arguments":null,"_meta":{"progressToken":1},"requestState":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	p := req.GetParams().(*mcp.CallToolParamsRaw)
	if p.Name != "y" || p.RequestState != "s" || p.GetProgressToken() != 1.0 || string(p.Arguments) != "null" {
		t.Errorf("got %+v", p)
	}
	for method, params := range map[string]string{
		"tools/call": `{"name":1}`, "prompts/get": `{"arguments":{"a":1}}`, "resources/read": `{"uri":[]}`, "tools/list": `{"cursor":1}`,
		"completion/complete": `{"argument":{"name":"n","value":"v"}}`, "logging/setLevel": `{"level":1}`, "ping": `{"_meta":1}`,
		"resources/list": `{"_meta":[]}`, "resources/templates/list": `{"cursor":{}}`, "prompts/list": `{"cursor":false}`,
	} {
		if _, err := transport.DecodeRequest(method, json.RawMessage(params)); err == nil {
			t.Errorf("%s %s: %v", method, params, err)
		}
	}
	for _, method := range []string{"tools/call", "prompts/get", "resources/read", "completion/complete", "logging/setLevel"} {
		if _, err := transport.DecodeRequest(method, json.RawMessage("null")); err == nil {
			t.Errorf("%s without params", method)
		}
	}
	for _, method := range []string{"tools/list", "prompts/list", "ping", "server/discover"} {
		if req, err := transport.DecodeRequest(method, nil); err != nil || req.GetParams().GetMeta() != nil {
			t.Errorf("%s without params: %v", method, err)
		}
	}
	for _, method := range []string{"subscriptions/listen", "own/method", "notifications/progress", "initialize", ""} {
		if req, err := transport.DecodeRequest(method, nil); req != nil || err != nil {
			t.Errorf("%q is served directly", method)
		}
	}
}

func TestEvent_IsFramedAsBrowsersReadIt(t *testing.T) {
	for _, c := range []struct {
		name, id string
		retry    time.Duration
		data     string
		want     string
	}{
		{"message", "", 0, "{}", "event: message\ndata: {}\n\n"},
		{"", "a_1", 1500 * time.Millisecond, "", "id: a_1\nretry: 1500\ndata: \n\n"},
		{"", "", 0, "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"},
	} {
		if got := string(transport.AppendEvent(c.name, c.id, c.retry, []byte(c.data))); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
