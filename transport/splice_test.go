package transport_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trestle-mcp/trestle/internal/strictjson"
	"github.com/trestle-mcp/trestle/transport"
)

func TestAppendReplaced_KeepsTheRestByteForByte(t *testing.T) {
	for _, c := range []struct {
		data, want string
		found      bool
	}{
		{`{"a":{"b":1}}`, `{"a":{"b":"\/"}}`, true},
		{`{"x":1.50,"a":{"b":{"b":2},"c":[ 1 ]},"y":{}}`, `{"x":1.50,"a":{"b":"\/","c":[ 1 ]},"y":{}}`, true},
		{`{"a":{"c":1}}`, `{"a":{"c":1}}`, false},
		{`{"b":1}`, `{"b":1}`, false},
		{`{"a":5}`, `{"a":5}`, false},
		{`{}`, `{}`, false},
		{`[]`, `[]`, false},
		{``, ``, false},
	} {
		got, found := transport.AppendReplaced([]byte(c.data), []byte(`"\/"`), "a", "b")
		if string(got) != c.want || found != c.found {
			t.Errorf("%s: %s, %t; want %s, %t", c.data, got, found, c.want, c.found)
		}
	}
}

func FuzzAppendReplaced_IsAssignment(f *testing.F) {
	f.Add(`{"a":{"b":1}}`)
	f.Add(`{"a":{"b":{"a":[1,{"a":"b"}]},"\u0061":null},"":{"é":"\ud83d"}}`)
	f.Fuzz(func(t *testing.T, data string) {
		if strictjson.Check([]byte(data), 64) != nil || data[0] != '{' {
			t.Skip("not what it is for")
		}
		var want, got map[string]any
		if json.Unmarshal([]byte(data), &want) != nil {
			t.Skip("numbers beyond a float")
		}
		inner, _ := want["a"].(map[string]any)
		_, exists := inner["b"]
		if exists {
			inner["b"] = "new"
		}
		out, found := transport.AppendReplaced([]byte(data), []byte(`"new"`), "a", "b")
		if err := json.Unmarshal(out, &got); err != nil || found != exists {
			t.Fatalf("%q: %v, found %t", out, err, found)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
