package load_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trestle-mcp/trestle/bench/internal/load"
)

func answer(lines ...string) string { return strings.Join(lines, "\r\n") }

func TestResponse_IsReadInEveryFormThatServersSend(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       load.Response
	}{
		{
			"a length",
			answer("HTTP/1.1 200 OK", "content-length: 2", "Content-Type: application/json", "", "{}"),
			load.Response{Status: 200, Body: []byte("{}")},
		},
		{
			"a session",
			answer("HTTP/1.1 200 OK", "Mcp-Session-Id: abc", "Content-Length: 0", "", ""),
			load.Response{Status: 200, Session: "abc"},
		},
		{
			"chunks of an event stream",
			answer("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", "", "6", "data: ", "b", "12345678901", "0", "", ""),
			load.Response{Status: 200, Stream: true, Body: []byte("data: 12345678901")},
		},
		{"accepted", answer("HTTP/1.1 202 Accepted", "Content-Length: 0", "", ""), load.Response{Status: 202}},
		{"no content", answer("HTTP/1.1 204 No Content", "", ""), load.Response{Status: 204}},
		{"no reason", answer("HTTP/1.1 200", "Content-Length: 0", "", ""), load.Response{Status: 200}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := bufio.NewReader(strings.NewReader(c.text + "next"))
			got, err := load.Read(in)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != c.want.Status || got.Session != c.want.Session || got.Stream != c.want.Stream || !bytes.Equal(got.Body, c.want.Body) {
				t.Errorf("got %+v", got)
			}
			if rest, _ := io.ReadAll(in); string(rest) != "next" {
				t.Errorf("left %q, want what follows the answer", rest)
			}
		})
	}
}

func TestResponse_ThatIsUnsoundIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":             "",
		"another protocol":    answer("HTTP/1.0 200 OK", "Content-Length: 0", "", ""),
		"no status":           answer("HTTP/1.1 ok", "Content-Length: 0", "", ""),
		"a long status":       answer("HTTP/1.1 2000", "Content-Length: 0", "", ""),
		"an interim answer":   answer("HTTP/1.1 100 Continue", "", ""),
		"no length":           answer("HTTP/1.1 200 OK", "", ""),
		"two lengths":         answer("HTTP/1.1 200 OK", "Content-Length: 0", "Content-Length: 0", "", ""),
		"a bad length":        answer("HTTP/1.1 200 OK", "Content-Length: +1", "", "x"),
		"a huge length":       answer("HTTP/1.1 200 OK", "Content-Length: 2000000000", "", ""),
		"length and chunks":   answer("HTTP/1.1 200 OK", "Content-Length: 0", "Transfer-Encoding: chunked", "", "0", "", ""),
		"another coding":      answer("HTTP/1.1 200 OK", "Transfer-Encoding: gzip", "", ""),
		"a closing server":    answer("HTTP/1.1 200 OK", "Connection: close", "Content-Length: 0", "", ""),
		"a header of no name": answer("HTTP/1.1 200 OK", ": x", "", ""),
		"a cut head":          answer("HTTP/1.1 200 OK", "Content-Length: 0"),
		"a cut body":          answer("HTTP/1.1 200 OK", "Content-Length: 5", "", "x"),
		"a bad chunk":         answer("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "z", ""),
		"a cut chunk":         answer("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "5", "x"),
		"a chunk too long":    answer("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "1", "xy", "0", "", ""),
		"no last chunk":       answer("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "1", "x", ""),
		"endless headers":     "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1000) + "Content-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := load.Read(bufio.NewReader(strings.NewReader(text))); err == nil {
				t.Errorf("accepted as %+v", got)
			}
		})
	}
}

// net/http accepts more; what both accept, both must read alike.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(answer("HTTP/1.1 200 OK", "Content-Length: 2", "Mcp-Session-Id: a", "", "{}")))
	f.Add([]byte(answer("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "1", "x", "0", "", "")))
	f.Add([]byte(answer("HTTP/1.1 204 No Content", "", "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := load.Read(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		want, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
		if err != nil {
			return
		}
		defer want.Body.Close()
		body, err := io.ReadAll(want.Body)
		if err != nil {
			return
		}
		if got.Status != want.StatusCode || !bytes.Equal(got.Body, body) {
			t.Errorf("status %d, body %q; net/http reads status %d, body %q", got.Status, got.Body, want.StatusCode, body)
		}
	})
}
