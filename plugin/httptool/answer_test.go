package httptool_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	mcperrors "github.com/trestle-mcp/trestle/errors"
	"github.com/trestle-mcp/trestle/plugin/httptool"
)

// answering is a service whose answer the test chooses by the query.
func answering(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for _, name := range []string{"Content-Type", "Retry-After", "Location"} {
		if v := q.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	status := http.StatusOK
	if s := q.Get("status"); s != "" {
		status, _ = strconv.Atoi(s)
	}
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = w.Write([]byte(strings.ReplaceAll(q.Get("body"), "<E9>", "\xe9"))) // no UTF-8 by itself
	}
}

const answers = `
max_response: 2000
tools:
  - {name: auto, description: d, arguments: ARGS}
  - {name: json, description: d, arguments: ARGS, response: {as: json, pointer: /data/1}}
  - {name: text, description: d, arguments: ARGS, response: {as: text}}
  - name: typed
    description: d
    arguments: ARGS
    response: {output_schema: {type: object, properties: {n: {type: integer, maximum: 5}}, required: [n]}}
  - {name: mapped, description: d, arguments: ARGS, response: {status: {404: ok, 418: conflict, 4xx: validation, 201: unavailable}}}
`

func answerer(t *testing.T) *httptool.Plugin {
	t.Helper()
	const args = `{status: , body: , type: {as: Content-Type}, after: {as: Retry-After}, to: {as: Location}}`
	return serve(t, answering).plugin(t, strings.ReplaceAll(answers, "ARGS", args))
}

func call(t *testing.T, p *httptool.Plugin, tool string, args map[string]string) (*mcp.CallToolResult, error) {
	t.Helper()
	raw, err := json.Marshal(args)
	must(t, err)
	return p.Call(t.Context(), tool, string(raw))
}

func TestCall_AnswersWithWhatTheServiceSent(t *testing.T) {
	p := answerer(t)
	for _, tt := range []struct{ tool, kind, body, structured, text string }{
		{"auto", "application/json", ` { "a" : 9007199254740993 } `, `{"a":9007199254740993}`, `{"a":9007199254740993}`},
		{"auto", "application/problem+json; charset=utf-8", `[1]`, `{"result":[1]}`, `{"result":[1]}`},
		{"auto", "application/json", `null`, `{"result":null}`, `{"result":null}`},
		{"auto", "text/plain", "hello\n", "", "hello\n"},
		{"auto", "text/html", "<p>", "", "<p>"},
		{"auto", "application/xml", "<a/>", "", "<a/>"},
		{"auto", "text/plain", "caf<E9>", "", "caf\uFFFD"},
		{"auto", "text/plain", "", "", "done (status 200)"},
		{"json", "text/html", `{"data":[1, {"x":[2]} ]}`, `{"x":[2]}`, `{"x":[2]}`},
		{"json", "application/json", `{"data":{"1":"y"}}`, `{"result":"y"}`, `{"result":"y"}`},
		{"text", "application/json", `{"a":1}`, "", `{"a":1}`},
		{"typed", "application/json", `{"n":5}`, `{"n":5}`, `{"n":5}`},
	} {
		args := map[string]string{"type": tt.kind, "body": tt.body}
		res, err := call(t, p, tt.tool, args)
		if err != nil || res.IsError {
			t.Errorf("%s %s: %v", tt.tool, tt.body, err)
			continue
		}
		structured, _ := res.StructuredContent.(json.RawMessage)
		if string(structured) != tt.structured || shown(res) != tt.text {
			t.Errorf("%s %s: %s %q, want %s %q", tt.tool, tt.body, structured, shown(res), tt.structured, tt.text)
		}
	}
	res, err := call(t, p, "auto", map[string]string{"type": "image/png", "body": "png"})
	must(t, err)
	if image, ok := res.Content[0].(*mcp.ImageContent); !ok || string(image.Data) != "png" || image.MIMEType != "image/png" {
		t.Errorf("%+v", res.Content[0])
	}
	res, err = call(t, p, "auto", map[string]string{"type": "audio/wav", "body": "wav"})
	must(t, err)
	if sound, ok := res.Content[0].(*mcp.AudioContent); !ok || string(sound.Data) != "wav" {
		t.Errorf("%+v", res.Content[0])
	}
}

func TestCall_DoesNotPassOnAnswersThatBreakTheirPromise(t *testing.T) {
	p := answerer(t)
	for _, tt := range []struct {
		tool, kind, body string
		code             mcperrors.Code
		text             string
	}{
		{"auto", "application/json", `{"a":1,"a":2}`, mcperrors.Unavailable, "the service answered with something unexpected"},
		{"auto", "application/json", `{"a":`, mcperrors.Unavailable, "unexpected"},
		{"auto", "application/json", strings.Repeat("[", 200) + strings.Repeat("]", 200), mcperrors.Unavailable, "unexpected"},
		{"auto", "application/json", `"<E9>"`, mcperrors.Unavailable, "unexpected"},
		{"auto", "application/octet-stream", "x", mcperrors.Conflict, "application/octet-stream, which cannot be shown"},
		{"auto", "text/plain", strings.Repeat("x", 2001), mcperrors.Exhausted, "longer than 2000 bytes"},
		{"json", "application/json", `{"data":[1]}`, mcperrors.Unavailable, "unexpected"},
		{"json", "application/json", `7`, mcperrors.Unavailable, "unexpected"},
		{"json", "application/json", `canary text`, mcperrors.Unavailable, "unexpected"},
		{"typed", "application/json", `{"n":6}`, mcperrors.Unavailable, "unexpected"},
		{"typed", "text/plain", `canary`, mcperrors.Unavailable, "unexpected"},
		{"typed", "application/json", `[]`, mcperrors.Unavailable, "unexpected"},
		{"typed", "application/json", ``, mcperrors.Unavailable, "unexpected"},
	} {
		res, err := call(t, p, tt.tool, map[string]string{"type": tt.kind, "body": tt.body})
		code, text, _ := failure(t, res, err)
		if code != tt.code || !strings.Contains(text, tt.text) || strings.Contains(text, "canary") {
			t.Errorf("%s %.40s: %s %q", tt.tool, tt.body, code, text)
		}
	}
}

func TestCall_MapsStatusesToCodes(t *testing.T) {
	p := answerer(t)
	for _, tt := range []struct {
		tool, status string
		code         mcperrors.Code
		result       bool // that a model sees
		text         string
	}{
		{"auto", "400", mcperrors.Validation, true, "the service refused the arguments (status 400): why"},
		{"auto", "422", mcperrors.Validation, true, "status 422): why"},
		{"auto", "404", mcperrors.NotFound, true, "the service found nothing (status 404): why"},
		{"auto", "410", mcperrors.NotFound, true, "found nothing"},
		{"auto", "409", mcperrors.Conflict, true, "status 409): why"},
		{"auto", "412", mcperrors.Conflict, true, "status 412): why"},
		{"auto", "429", mcperrors.RateLimited, false, "the service gets too many requests"},
		{"auto", "408", mcperrors.Timeout, true, "in time"},
		{"auto", "504", mcperrors.Timeout, true, "in time"},
		{"auto", "401", mcperrors.Unavailable, false, "the service is not available"},
		{"auto", "500", mcperrors.Unavailable, false, "not available"},
		{"auto", "503", mcperrors.Unavailable, false, "not available"},
		{"auto", "304", mcperrors.Unavailable, false, "not available"},
		{"auto", "302", mcperrors.Unavailable, false, "not available"}, // without a location
		{"auto", "403", mcperrors.Conflict, true, "the service refused the request (status 403): why"},
		{"auto", "418", mcperrors.Conflict, true, "refused the request (status 418)"},
		{"mapped", "418", mcperrors.Conflict, true, "because of a conflict (status 418)"},
		{"mapped", "451", mcperrors.Validation, true, "status 451"},
		{"mapped", "201", mcperrors.Unavailable, false, "not available"},
	} {
		res, err := call(t, p, tt.tool, map[string]string{"status": tt.status, "type": "text/plain", "body": "why", "after": "7"})
		code, text, result := failure(t, res, err)
		if code != tt.code || result != tt.result || !strings.Contains(text, tt.text) {
			t.Errorf("%s %s: %s %q, for the model: %t", tt.tool, tt.status, code, text, result)
		}
		wait := time.Duration(0)
		if tt.code == mcperrors.RateLimited || tt.code == mcperrors.Unavailable {
			wait = 7 * time.Second
		}
		if err != nil && mcperrors.From(err).RetryAfter != wait {
			t.Errorf("%s: retry after %v", tt.status, mcperrors.From(err).RetryAfter)
		}
	}
	if res, err := call(t, p, "mapped", map[string]string{"status": "404", "type": "text/plain", "body": "none"}); err != nil || res.IsError || shown(res) != "none" {
		t.Errorf("%v %v", res, err)
	}
	if res, err := call(t, p, "auto", map[string]string{"status": "204"}); err != nil || shown(res) != "done (status 204)" {
		t.Errorf("%v %v", res, err)
	}
}

func TestCall_ShowsLittleOfAnError(t *testing.T) {
	p := answerer(t)
	for _, tt := range []struct{ status, kind, body, want string }{
		{"400", "text/plain", strings.Repeat("x", 1900), "(status 400): " + strings.Repeat("x", 1024) + "…"},
		{"400", "text/html", "<html>canary", "(status 400)"},
		{"400", "application/octet-stream", "canary", "(status 400)"},
		{"500", "text/plain", "canary: stack trace", "the service is not available"},
		{"400", "application/json", `{"password":"canary","m":"bad"}`, `(status 400): {"password":"[redacted]","m":"bad"}`},
	} {
		res, err := call(t, p, "auto", map[string]string{"status": tt.status, "type": tt.kind, "body": tt.body})
		if _, text, _ := failure(t, res, err); !strings.HasSuffix(text, tt.want) || strings.Contains(text, "canary") {
			t.Errorf("%s %s: %q", tt.status, tt.kind, text)
		}
	}
}

func TestCall_ReadsRetryAfterAsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "5": 5 * time.Second, " 5 ": 5 * time.Second, "-5": 0, "5.5": 0, "99999999999": 0, "86400": time.Hour, "x": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:03:05 GMT": 0, "Fri, 02 Jan 2027 03:03:05 GMT": time.Hour,
	} {
		if got := httptool.RetryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
