package strictjson_test

import (
	"encoding/json"
	"testing"

	"github.com/trestle-mcp/trestle/internal/strictjson"
)

var benchInputs = []struct {
	name string
	data []byte
}{
	{"small", []byte(`{"a":1,"b":2}`)},
	{"call", []byte(`{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search","arguments":` +
		`{"query":"rate limits in the gateway","limit":10,"tags":["go","mcp"],"exact":false}}}`)},
	{"500k keys", manyKeys(500_000)},
}

func BenchmarkCheck(b *testing.B) {
	for _, in := range benchInputs {
		b.Run(in.name, func(b *testing.B) {
			b.SetBytes(int64(len(in.data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := strictjson.Check(in.data, 64); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(in.name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(in.data)))
			b.ReportAllocs()
			for b.Loop() {
				if !json.Valid(in.data) {
					b.Fatal("invalid")
				}
			}
		})
	}
}
