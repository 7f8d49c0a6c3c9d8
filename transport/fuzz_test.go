package transport_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/trestle-mcp/trestle/transport"
)

func FuzzCheckMessage(f *testing.F) {
	for _, seed := range []string{
		sound, initialize(), listen, `{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":""}}`,
		`[]`, `{}`, `{"id":null}`, `{"jsonrpc":"2.0","id":1e400,"method":"a"}`, `{"jsonrpc":"2.0","id":1,"method":"a","params":{"uri":"\u0000"}}`,
		`{"jsonrpc":"2.0","Id":1,"method":"a"}`, `{"id":1,"a":{"a":1,"a":2}}`, "\xff", ` {"jsonrpc" : "2.0" , "method":"\ud83d\ude00"} `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		method, id, code := transport.CheckMessage(data, 64)
		if id != nil && !json.Valid(id) {
			t.Fatalf("id %q", id)
		}
		if code != 0 {
			return
		}
		// What passes means the same to go-sdk.
		m, err := jsonrpc.DecodeMessage(data)
		if err != nil {
			t.Fatalf("go-sdk: %v", err)
		}
		if r, ok := m.(*jsonrpc.Request); ok != (method != "") || (ok && (r.Method != method || r.IsCall() != (id != nil))) {
			t.Fatalf("method %q and id %s, but go-sdk has %+v", method, id, m)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add("a\nb\r\n\n  c", 3)
	f.Add("abcd\nabc\r\nabcd", 3)
	f.Add("\r\n\r", 0)
	f.Fuzz(func(t *testing.T, input string, limit int) {
		limit &= 0xff
		got := transport.ReadLines(strings.NewReader(input), limit)
		if slow := transport.ReadLines(iotest.OneByteReader(strings.NewReader(input)), limit); !slices.Equal(got, slow) {
			t.Fatalf("%q, byte by byte %q", got, slow)
		}
		var want []string
		for line := range strings.Lines(input) {
			line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if len(line) > limit {
				want = append(want, "\n")
				continue
			}
			want = append(want, strings.Trim(line, " \t"))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}
