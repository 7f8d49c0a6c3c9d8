package transport_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// go-sdk keeps its decoding to itself, so ours is held against it.
func TestInitialize_IsDecodedAsTheSDKDecodesIt(t *testing.T) {
	for _, params := range []string{
		`{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}`,
		`{"protocolVersion":"2024-11-05","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1","title":"C"}}`,
		`{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}},"clientInfo":{"name":"c","version":"1","icons":[{"src":"https://x/y.png"}]},"_meta":{"k":[1,2.5,null]}}`,
		`{"protocolVersion":"2025-11-25","capabilities":{"experimental":{"x":{"y":1}},"extensions":{"a/b":{}},"roots":null},"clientInfo":null}`,
		`{"protocolVersion":"1999-01-01","capabilities":null}`,
		`{}`,
	} {
		ours, sdk := newServer(newGate()), newServer(newGate())
		h := newHandler(t, ours, nil)
		if w := play(t, h, "", initializeWith(params), nil); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", params, w.Code, w.Body)
			continue
		}
		in, out := io.Pipe()
		answers, back := io.Pipe()
		ss, err := sdk.Connect(t.Context(), &mcp.IOTransport{Reader: in, Writer: back}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(out, initializeWith(params)+"\n")
		if _, err := bufio.NewReader(answers).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		for own := range ours.Sessions() {
			if diff := cmp.Diff(ss.InitializeParams(), own.InitializeParams()); diff != "" {
				t.Errorf("%s, -sdk +ours:\n%s", params, diff)
			}
		}
		_ = out.Close()
		_ = ss.Close()
	}
}

func TestInitialize_RefusesParametersThatDoNotFit(t *testing.T) {
	s := newServer(newGate())
	h := newHandler(t, s, nil)
	for _, params := range []string{
		`null`, `{"protocolVersion":1}`, `{"capabilities":[]}`, `{"clientInfo":"me"}`, `{"capabilities":{"roots":{"listChanged":"yes"}}}`, `{"_meta":7}`,
	} {
		w := play(t, h, "", initializeWith(params), nil)
		wantError(t, w.Body.Bytes(), -32602, "1")
		if w.Header().Get("Mcp-Session-Id") != "" {
			t.Errorf("%s opened a session", params)
		}
	}
	eventually(t, "nothing is left", func() bool { return sessions(s) == 0 })
}

func initializeWith(params string) string {
	if !json.Valid([]byte(params)) {
		panic(params)
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":%s}`, params)
}
