package transport_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/trestle-mcp/trestle/transport"
)

// An impatientWriter leaves as soon as a stream has begun.
type impatientWriter struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

// WriteHeader implements [http.ResponseWriter].
func (w *impatientWriter) WriteHeader(status int) {
	w.ResponseRecorder.WriteHeader(status)
	w.leave()
}

// told opens a session and has it told a secret on its standalone stream and on
// that of a call, both of which can be resumed.
func told(f *testing.F, h http.Handler, secret string) (session, event string) {
	f.Helper()
	send := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(f.Context(), http.MethodPost, "http://localhost/", strings.NewReader(body))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream, application/json"}}
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	session = send(initialize()).Header().Get("Mcp-Session-Id")
	body := send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tell","arguments":{"secret":"` + secret + `"}}}`).Body.String()
	_, id, _ := strings.Cut(body, "id: ")
	event, _, _ = strings.Cut(id, "\n")
	if !strings.Contains(body, secret) || event == "" {
		f.Fatalf("nothing was told: %q", body)
	}
	return session, event
}

// No session id and no event id, whatever they are, are answered with a fault of
// the server, or with what another session was told.
func FuzzEventID_ShowsNobodyAnothersStream(f *testing.F) {
	s := newServer(newGate())
	s.AddTool(&mcp.Tool{Name: "tell", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		secret := string(r.Params.Arguments)
		_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: "p", Message: secret})
		_ = r.Session.NotifyProgress(context.WithoutCancel(f.Context()), &mcp.ProgressNotificationParams{ProgressToken: "p", Message: secret})
		return textResult(secret), nil
	})
	h, err := transport.NewHTTPHandler(s, &transport.Options{MaxSessions: -1, SessionIdle: -1})
	if err != nil {
		f.Fatal(err)
	}
	mine, myEvent := told(f, h, "MINE")
	other, otherEvent := told(f, h, "CANARY")
	// Ids differ between the processes that fuzz, so inputs have letters for them.
	myStream, _, _ := strings.Cut(myEvent, "_")
	otherStream, _, _ := strings.Cut(otherEvent, "_")
	ids := strings.NewReplacer("M", mine, "m", myStream, "O", other, "o", otherStream)
	for _, event := range []string{"m_0", "o_0", "m_1", "o_1", "_0", "_-1", "_", "", "o", "o_+0", "o_00", "O_0", "m_o_0", "_99999999999999999999", "\x00"} {
		f.Add("M", event, true)
		f.Add("M", event, false)
		f.Add("O ", event, true)
		f.Add("MO", event, true)
		f.Add("", event, true)
	}
	f.Fuzz(func(t *testing.T, session, event string, fetch bool) {
		session, event = ids.Replace(session), ids.Replace(event)
		if session == other {
			return
		}
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		method, body := http.MethodGet, ""
		if !fetch {
			method, body = http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"ping"}`
		}
		r := httptest.NewRequestWithContext(ctx, method, "http://localhost/", strings.NewReader(body))
		r.Header = http.Header{
			"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
			"Mcp-Session-Id": {session}, "Last-Event-Id": {event},
		}
		w := &impatientWriter{httptest.NewRecorder(), leave}
		h.ServeHTTP(w, r)
		if w.Code >= 500 || strings.Contains(w.Body.String(), "CANARY") {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if session == mine && event == myEvent && fetch && strings.Count(w.Body.String(), "MINE") != 2 {
			t.Errorf("my own stream: %d %q", w.Code, w.Body)
		}
	})
}

// meant returns what a header value stands for, by the text of 2026-07-28.
func meant(value string) (string, bool) {
	inner, ok := strings.CutPrefix(value, "=?base64?")
	if inner, ok2 := strings.CutSuffix(inner, "?="); ok && ok2 {
		data, err := base64.StdEncoding.DecodeString(inner)
		return string(data), err == nil && base64.StdEncoding.EncodeToString(data) == inner
	}
	return value, true
}

// A call runs exactly if its headers say what its body says, in plain text or in
// sound base64.
func FuzzRoutingHeaders_SayWhatTheBodySays(f *testing.F) {
	const tool = "tool-é"
	var ran atomic.Bool
	s := newServer(newGate())
	s.AddTool(
		&mcp.Tool{Name: "plain", InputSchema: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string","x-mcp-header":"City"}}}`)},
		func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			ran.Store(true)
			return textResult(""), nil
		})
	h, err := transport.NewHTTPHandler(s, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"plain", "=?base64?cGxhaW4=?=", "=?base64?cGxhaW4?=", "=?base64?cGxh\naW4=?=", "=?base64?", "=?base64??=", "=?BASE64?cGxhaW4=?=", "", tool} {
		for _, city := range []string{"Ulm", "=?base64?VWxt?=", "=?base64?w6k=?=", "é", "", "=?base64?VWxu?="} {
			f.Add(name, city, "Ulm")
			f.Add(name, city, "é")
			f.Add("plain", name, name)
		}
	}
	f.Fuzz(func(t *testing.T, name, header, city string) {
		value, err := json.Marshal(city)
		if err != nil || strings.ToValidUTF8(city, "") != city {
			return
		}
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"plain","arguments":{"city":` + string(value) + `},` + meta + `}}`
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", strings.NewReader(body))
		r.Header = http.Header{
			"Content-Type": {"application/json"}, "Mcp-Protocol-Version": {modern}, "Mcp-Method": {"tools/call"},
			"Mcp-Name": {name}, "Mcp-Param-City": {header},
		}
		ran.Store(false)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		saysName, soundName := meant(name)
		saysCity, soundCity := meant(header)
		want := soundName && soundCity && saysName == "plain" && saysCity == city && header != ""
		if ran.Load() != want || (w.Code == http.StatusOK) != want {
			t.Errorf("Mcp-Name %q, Mcp-Param-City %q, argument %q: status %d, ran %t; %s", name, header, city, w.Code, ran.Load(), w.Body)
		}
		if !want {
			wantError(t, w.Body.Bytes(), mcp.CodeHeaderMismatch, "1")
		}
	})
}
