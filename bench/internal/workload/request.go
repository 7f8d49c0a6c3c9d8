package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/trestle-mcp/trestle/bench/internal/fixture"
)

// firstID is the id of a script's first call. All ids have as many digits, so
// that they can be written over each other.
const (
	firstID = 100_000_000
	lastID  = 999_999_999
)

const placeholder = "100000000"

// clientMeta is what a modern request says of its sender.
const clientMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0.0"},` +
	`"io.modelcontextprotocol/clientCapabilities":{}}`

// echoBytes is how long the echoed text is.
const echoBytes = 4 << 10

// echoText returns the text for a call: prose with line ends, quotes and
// letters beyond ASCII, but nothing that encoders escape in different ways.
func echoText(id string) string {
	const prose = "The quick brown fox said \"good morning\" to the lazy dog,\nwho was used to worse. Voilà, déjà vu. "
	text := id + " " + strings.Repeat(prose, echoBytes/len(prose)+1)
	for text = text[:echoBytes]; text[len(text)-1] >= 0x80; {
		text = text[:len(text)-1]
	}
	return text
}

// quote encodes s as JSON.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// message returns the JSON-RPC request of a kind with placeholders for its id.
func message(k Kind, e Era) (method, tool, body string) {
	var params []string
	switch k {
	case Add:
		method, tool = "tools/call", fixture.AddName
		params = []string{`"name":"add"`, `"arguments":{"a":` + placeholder + `,"b":1}`}
	case Echo:
		method, tool = "tools/call", fixture.EchoName
		params = []string{`"name":"echo"`, `"arguments":{"text":` + quote(echoText(placeholder)) + `}`}
	case List:
		method = "tools/list"
	}
	if e == Modern {
		params = append(params, clientMeta)
	}
	body = `{"jsonrpc":"2.0","id":` + placeholder + `,"method":"` + method + `","params":{` + strings.Join(params, ",") + `}}`
	return method, tool, body
}

// encode returns a whole HTTP request. Empty headers are left out.
func encode(addr string, e Era, session, method, tool, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", fixture.Path, addr)
	header := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	header("Content-Type", "application/json")
	header("Accept", "application/json, text/event-stream")
	if method != "initialize" {
		header("Mcp-Protocol-Version", e.Version())
	}
	header("Mcp-Session-Id", session)
	if e == Modern {
		header("Mcp-Method", method)
		header("Mcp-Name", tool)
	}
	header("Content-Length", strconv.Itoa(len(body)))
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// slots returns where placeholders stand in b.
func slots(b []byte) (at []int) {
	for i := 0; ; {
		j := bytes.Index(b[i:], []byte(placeholder))
		if j < 0 {
			return at
		}
		at = append(at, i+j)
		i += j + len(placeholder)
	}
}

// putDigits writes n, which has nine digits, to the start of b.
func putDigits(b []byte, n int) {
	for i := len(placeholder) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}
